"""Networks for phones and other runtimes.

`keras_senet.export(model, path, format=...)` is `export.export`: the package is
also its main function.
"""

import sys
import types

from keras_senet.export.optimization import (
    cluster as cluster,
    prune as prune,
    quantization_aware as quantization_aware,
)
from keras_senet.export.report import (
    AgreementError as AgreementError,
    Report as Report,
)
from keras_senet.export.runtimes import (
    FORMATS as FORMATS,
    export as export,
)
from keras_senet.export.tflite import export_tflite as export_tflite
from keras_senet.litert.conversion import (
    PRECISIONS as PRECISIONS,
    ConversionError as ConversionError,
)


class _Callable(types.ModuleType):
    def __call__(self, *args, **kwargs):
        return export(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
