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

from keras_senet import analysis as analysis
from keras_senet import layers as layers
from keras_senet._version import __version__ as __version__
from keras_senet.applications import (
    SEVGG16 as SEVGG16,
)
from keras_senet.applications import (
    VGG16 as VGG16,
)
from keras_senet.applications import (
    AlexNet as AlexNet,
)
from keras_senet.applications import (
    BNInception as BNInception,
)
from keras_senet.applications import (
    InceptionResNetV2 as InceptionResNetV2,
)
from keras_senet.applications import (
    MobileNet as MobileNet,
)
from keras_senet.applications import (
    PlainSENet154 as PlainSENet154,
)
from keras_senet.applications import (
    ResNet18 as ResNet18,
)
from keras_senet.applications import (
    ResNet20 as ResNet20,
)
from keras_senet.applications import (
    ResNet32 as ResNet32,
)
from keras_senet.applications import (
    ResNet34 as ResNet34,
)
from keras_senet.applications import (
    ResNet44 as ResNet44,
)
from keras_senet.applications import (
    ResNet50 as ResNet50,
)
from keras_senet.applications import (
    ResNet56 as ResNet56,
)
from keras_senet.applications import (
    ResNet101 as ResNet101,
)
from keras_senet.applications import (
    ResNet110 as ResNet110,
)
from keras_senet.applications import (
    ResNet152 as ResNet152,
)
from keras_senet.applications import (
    ResNet164 as ResNet164,
)
from keras_senet.applications import (
    ResNeXt50 as ResNeXt50,
)
from keras_senet.applications import (
    ResNeXt101 as ResNeXt101,
)
from keras_senet.applications import (
    ResNeXt101_32x8d as ResNeXt101_32x8d,
)
from keras_senet.applications import (
    ResNeXt101_64x4d as ResNeXt101_64x4d,
)
from keras_senet.applications import (
    SEAlexNet as SEAlexNet,
)
from keras_senet.applications import (
    SEBNInception as SEBNInception,
)
from keras_senet.applications import (
    SEInceptionResNetV2 as SEInceptionResNetV2,
)
from keras_senet.applications import (
    SEMobileNet as SEMobileNet,
)
from keras_senet.applications import (
    SENet154 as SENet154,
)
from keras_senet.applications import (
    SEResNet18 as SEResNet18,
)
from keras_senet.applications import (
    SEResNet20 as SEResNet20,
)
from keras_senet.applications import (
    SEResNet32 as SEResNet32,
)
from keras_senet.applications import (
    SEResNet34 as SEResNet34,
)
from keras_senet.applications import (
    SEResNet44 as SEResNet44,
)
from keras_senet.applications import (
    SEResNet50 as SEResNet50,
)
from keras_senet.applications import (
    SEResNet56 as SEResNet56,
)
from keras_senet.applications import (
    SEResNet101 as SEResNet101,
)
from keras_senet.applications import (
    SEResNet110 as SEResNet110,
)
from keras_senet.applications import (
    SEResNet152 as SEResNet152,
)
from keras_senet.applications import (
    SEResNet164 as SEResNet164,
)
from keras_senet.applications import (
    SEResNeXt50 as SEResNeXt50,
)
from keras_senet.applications import (
    SEResNeXt101 as SEResNeXt101,
)
from keras_senet.applications import (
    SEResNeXt101_32x8d as SEResNeXt101_32x8d,
)
from keras_senet.applications import (
    SEResNeXt101_64x4d as SEResNeXt101_64x4d,
)
from keras_senet.applications import (
    SEShuffleNet as SEShuffleNet,
)
from keras_senet.applications import (
    SEWideResNet16x8 as SEWideResNet16x8,
)
from keras_senet.applications import (
    ShuffleNet as ShuffleNet,
)
from keras_senet.applications import (
    WideResNet16x8 as WideResNet16x8,
)
from keras_senet.applications import (
    create_model as create_model,
)
from keras_senet.applications import (
    list_models as list_models,
)
from keras_senet.layers import SqueezeExcite as SqueezeExcite
from keras_senet.preprocessing import (
    decode_predictions as decode_predictions,
)
from keras_senet.preprocessing import (
    preprocess_input as preprocess_input,
)
