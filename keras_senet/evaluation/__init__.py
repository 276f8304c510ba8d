"""How good networks are on labelled images."""

from keras_senet.evaluation.ensemble import evaluate as evaluate
from keras_senet.evaluation.evaluator import Evaluator as Evaluator
from keras_senet.evaluation.result import Result as Result
