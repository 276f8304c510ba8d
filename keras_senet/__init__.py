"""Squeeze-and-Excitation networks for Keras 3.

    import keras_senet

    model = keras_senet.SEResNet50(weights=None, classes=5)
    model = keras_senet.create_model("se_resnet20", weights="cifar10")
    keras_senet.list_models("se_*")

Hu, Shen, Albanie, Sun and Wu: Squeeze-and-Excitation Networks, CVPR 2018 and
TPAMI 2019 (arXiv:1709.01507).
"""

import sys as _sys

# Only for `python -m keras_senet` and `keras-senet`, not for a program that
# imports the package.
_program = (_sys.argv or [""])[0]
if (
    _program == "-m"
    or "keras-senet" in _program.replace("\\", "/").split("/")[-1]
):
    from keras_senet._command_line import import_keras_quietly

    import_keras_quietly()

from keras_senet import (
    analysis as analysis,
    layers as layers,
    optimizers as optimizers,
)
from keras_senet._version import __version__ as __version__
from keras_senet.applications import (
    SEVGG16 as SEVGG16,
    VGG16 as VGG16,
    AlexNet as AlexNet,
    BNInception as BNInception,
    InceptionResNetV2 as InceptionResNetV2,
    MobileNet as MobileNet,
    PlainSENet154 as PlainSENet154,
    ResNet18 as ResNet18,
    ResNet20 as ResNet20,
    ResNet32 as ResNet32,
    ResNet34 as ResNet34,
    ResNet44 as ResNet44,
    ResNet50 as ResNet50,
    ResNet56 as ResNet56,
    ResNet101 as ResNet101,
    ResNet110 as ResNet110,
    ResNet152 as ResNet152,
    ResNet164 as ResNet164,
    ResNeXt50 as ResNeXt50,
    ResNeXt101 as ResNeXt101,
    ResNeXt101_32x8d as ResNeXt101_32x8d,
    ResNeXt101_64x4d as ResNeXt101_64x4d,
    SEAlexNet as SEAlexNet,
    SEBNInception as SEBNInception,
    SEInceptionResNetV2 as SEInceptionResNetV2,
    SEMobileNet as SEMobileNet,
    SENet154 as SENet154,
    SEResNet18 as SEResNet18,
    SEResNet20 as SEResNet20,
    SEResNet32 as SEResNet32,
    SEResNet34 as SEResNet34,
    SEResNet44 as SEResNet44,
    SEResNet50 as SEResNet50,
    SEResNet56 as SEResNet56,
    SEResNet101 as SEResNet101,
    SEResNet110 as SEResNet110,
    SEResNet152 as SEResNet152,
    SEResNet164 as SEResNet164,
    SEResNeXt50 as SEResNeXt50,
    SEResNeXt101 as SEResNeXt101,
    SEResNeXt101_32x8d as SEResNeXt101_32x8d,
    SEResNeXt101_64x4d as SEResNeXt101_64x4d,
    SEShuffleNet as SEShuffleNet,
    SEWideResNet16x8 as SEWideResNet16x8,
    ShuffleNet as ShuffleNet,
    WideResNet16x8 as WideResNet16x8,
    create_model as create_model,
    find_network as find_network,
    list_models as list_models,
)
from keras_senet.classifier import Classifier as Classifier
from keras_senet.layers import SqueezeExcite as SqueezeExcite
from keras_senet.preprocessing import (
    decode_predictions as decode_predictions,
    preprocess_input as preprocess_input,
)
from keras_senet.surgery import add_squeeze_excite as add_squeeze_excite
from keras_senet.timm import from_timm as from_timm
from keras_senet.weights.convert import convert_weights as convert_weights

# Last, since they use what is above.
from keras_senet import (  # isort: skip
    evaluation as evaluation,
    export as export,
    training as training,
)
from keras_senet.export import export_tflite as export_tflite  # isort: skip
