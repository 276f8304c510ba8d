"""Gradient descent on the fused kernel that TensorFlow has for it."""

import keras


@keras.saving.register_keras_serializable("keras_senet")
class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD`, updated by TensorFlow's one kernel for momentum.

    Keras computes an update in six operations, each of which writes a tensor of
    the variable's size. TensorFlow has one that writes the variable and its
    momentum in place. Results, variables and configuration are those of Keras;
    without momentum, under a distribution strategy, for sparse gradients and on
    other backends everything is Keras' own code.

    Args:
        *args, **kwargs: those of `keras.optimizers.SGD`.

    Example:

    >>> optimizer = keras_senet.optimizers.SGD(0.1, momentum=0.9)
    """

    def update_step(self, gradient, variable, learning_rate):
        if not self._fusible(gradient, variable):
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        momentum = self.momentums[self._get_variable_index(variable)]
        dtype = variable.dtype
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.value.handle,
            lr=tf.cast(learning_rate, dtype),
            grad=tf.cast(gradient, dtype),
            momentum=tf.cast(self.momentum, dtype),
            use_nesterov=self.nesterov,
            use_locking=True,
        )

    def _fusible(self, gradient, variable):
        if keras.backend.backend() != "tensorflow" or self.momentum == 0:
            return False
        import tensorflow as tf

        return (
            isinstance(gradient, tf.Tensor)
            and isinstance(variable, tf.Variable)
            and not tf.distribute.has_strategy()
        )
