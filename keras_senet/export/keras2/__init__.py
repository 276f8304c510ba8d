"""Run as a program of its own, by path: what needs tf_keras, which is Keras 2.

tensorflow_model_optimization works on nothing else, and importing it changes
the process. Files in here import each other, numpy and these alone.
"""
