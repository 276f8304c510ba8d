"""The steps of training, compiled: many a call, on every device."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from keras_senet.data.mixing import mix
from keras_senet.training.config import TrainConfig

# Of the scale of the loss in float16 (Micikevicius et al. 2018): where it
# starts, and after how many good steps it is doubled.
FIRST_SCALE = 2.0**15
GOOD_STEPS = 2000


class Steps:
    """A model, its optimizer and what else changes from step to step.

    Args:
        config: the run's config.
        model: the network, built under the strategy.
        strategy: a `tf.distribute.Strategy`.

    Attributes:
        model: the network. Its `optimizer` holds the learning rate that
            callbacks change.
        averages: moving averages of the trainable weights, or nothing.
    """

    def __init__(self, config: TrainConfig, model, strategy):
        self.config, self.model, self.strategy = config, model, strategy
        self.variables = list(model.trainable_variables)
        self.optimizer = model.optimizer
        self.averages, self._scale = [], []
        with strategy.scope():
            self.optimizer.build(self.variables)
            if config.ema:
                self.averages = [
                    keras.Variable(
                        keras.ops.convert_to_numpy(v),
                        trainable=False,
                        dtype=v.dtype,
                    )
                    for v in self.variables
                ]
            if config.precision == "mixed_float16":
                self._scale = [
                    keras.Variable(value, trainable=False, dtype="float32")
                    for value in (FIRST_SCALE, 0.0)
                ]
        self._loss = keras.losses.CategoricalCrossentropy(
            from_logits=model.layers[-1].activation is keras.activations.linear,
            label_smoothing=config.label_smoothing,
            reduction="none",
        )
        self._norms = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self._dropouts = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.Dropout) and layer.rate
        ]
        self._compiled = {}

    def state(self) -> dict[str, list]:
        """Returns all variables that a run which goes on needs.

        Returns:
            Lists of variables by what they are.
        """
        return {
            "model": self.model.variables,
            "optimizer": self.optimizer.variables,
            "average": self.averages,
            "scale": self._scale,
        }

    def run(self, batches, steps: range, phase: str, rates, stop: bool):
        """Trains some steps.

        Args:
            batches: iterator of what `strategy` distributed.
            steps: their numbers.
            phase: what is trained in them: `"head"`, the classifier alone;
                `"frozen_norm"`, all but batch normalisation; or `"all"`.
            rates: learning rate of each, array.
            stop: whether this worker wants to stop afterwards.

        Returns:
            Array of shape `(steps, 3)`: mean loss, and numbers of images whose
            class was ranked first and among the first five; and whether any
            worker wants to stop.
        """
        import tensorflow as tf

        if phase not in self._compiled:
            self._compiled[phase] = tf.function(self._steps)
        self.freeze(phase)
        # As long for a shorter call, for which nothing is compiled anew.
        padded = np.zeros(self.config.steps_per_call)
        padded[: len(steps)] = rates
        rows = self._compiled[phase](
            batches,
            tf.constant(steps[0], tf.int64),
            tf.constant(len(steps)),
            tf.constant(padded, self.variables[0].dtype),
            tf.constant(float(stop)),
        ).numpy()
        return rows[:, :3], bool(rows[-1, 3] > 0)

    def freeze(self, phase: str) -> None:
        """Makes trainable what a phase trains.

        Args:
            phase: see `run`.
        """
        for layer in self.model.layers:
            layer.trainable = phase != "head" or layer.name == "predictions"
        for layer in self._norms:
            layer.trainable = phase == "all"

    def _steps(self, batches, first, count, rates, stop):
        import tensorflow as tf

        # Nothing in a step depends on a tensor's value but what says so itself:
        # to rewrite its functions would only take time.
        train = tf.autograph.experimental.do_not_convert(self._step)
        rows = tf.TensorArray(tf.float32, count)
        for k in tf.range(count):
            images, labels = next(batches)
            step = first + tf.cast(k, tf.int64)
            result = self.strategy.run(
                train, args=(images, labels, step, rates[k], stop)
            )
            # The same on every device.
            row = self.strategy.experimental_local_results(result)[0]
            rows = rows.write(k, row)
        return rows.stack()

    def _step(self, images, labels, step, rate, stop):
        """One device's part of a step."""
        import tensorflow as tf

        config, model = self.config, self.model
        context = tf.distribute.get_replica_context()
        classes = model.output_shape[-1]
        share = config.batch_size // self.strategy.num_replicas_in_sync
        images = tf.ensure_shape(images, (share, *model.input_shape[1:]))
        replica = tf.cast(context.replica_id_in_sync_group, tf.int64)
        seed = tf.stack([step, config.seed + 2**32 * replica])
        images, targets = mix(
            images,
            tf.one_hot(labels, classes),
            seed,
            config.mixup,
            config.cutmix,
        )
        variables = list(model.trainable_variables)
        scale = self._scale[0].value if self._scale else 1.0
        self._shift_seeds(replica)
        sums, metrics = None, tf.zeros((3,))
        size = share // config.accumulation
        for part in range(config.accumulation):
            rows = slice(part * size, (part + 1) * size)
            with tf.GradientTape() as tape:
                outputs = model(images[rows], training=True)
                losses = self._loss(targets[rows], outputs)
                loss = tf.reduce_sum(losses) / config.batch_size
                scaled = loss * tf.cast(scale, loss.dtype)
            gradients = tape.gradient(scaled, [v.value for v in variables])
            sums = (
                gradients
                if sums is None
                else [a + b for a, b in zip(sums, gradients, strict=True)]
            )
            metrics += _counts(loss, outputs, labels[rows])
        self._shift_seeds(-replica)
        # One exchange for the gradients and for what is reported, as one type.
        row = tf.cast(tf.concat([metrics, [stop]], 0), sums[0].dtype)
        *gradients, row = context.all_reduce(
            tf.distribute.ReduceOp.SUM, [*sums, row]
        )
        self._update(variables, gradients, rate, step)
        return tf.cast(row, tf.float32)

    def _shift_seeds(self, by):
        """Moves the seeds of dropout.

        Else all devices would drop the same places. Between the steps the seeds
        are the first device's again, which checkpoints have.
        """
        import tensorflow as tf

        if self.strategy.num_replicas_in_sync == 1:
            return
        for layer in self._dropouts:
            state = layer.seed_generator.state
            shift = tf.cast(tf.stack([by, 0]), state.dtype)
            state.assign(state.value + shift)

    def _update(self, variables, gradients, rate, step):
        import tensorflow as tf

        if not self._scale:
            self._apply(variables, gradients, rate, step)
            return
        scale, good = (v.value for v in self._scale)
        gradients = [g / tf.cast(scale, g.dtype) for g in gradients]
        finite = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
        )

        def apply():
            self._apply(variables, gradients, rate, step)
            grow = good + 1 >= GOOD_STEPS
            scale.assign(tf.where(grow, scale * 2, scale))
            good.assign(tf.where(grow, 0.0, good + 1))
            return True

        def skip():
            scale.assign(tf.maximum(scale / 2, 1.0))
            good.assign(0.0)
            return False

        tf.cond(finite, apply, skip)

    def _apply(self, variables, gradients, rate, step):
        import tensorflow as tf

        config = self.config
        if config.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, config.clip_norm)
        for variable, gradient in zip(variables, gradients, strict=True):
            # Biases and normalisation, which have one axis, don't decay.
            if config.weight_decay and len(variable.shape) > 1:
                gradient += config.weight_decay * variable
            self.optimizer.update_step(gradient, variable.value, rate)
        if self.averages:
            # Young averages forget the random weights sooner.
            young = (1.0 + tf.cast(step, tf.float32)) / (
                10.0 + tf.cast(step, tf.float32)
            )
            keep = tf.minimum(config.ema, young)
            for average, variable in zip(
                self.averages, self.variables, strict=True
            ):
                kept = tf.cast(keep, variable.dtype)
                average.assign(kept * average + (1 - kept) * variable)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the averages, if there are, in the weights' place meanwhile."""
        if not self.averages:
            yield
            return
        own = [keras.ops.convert_to_numpy(v) for v in self.variables]
        self.take_averages()
        try:
            yield
        finally:
            for variable, value in zip(self.variables, own, strict=True):
                variable.assign(value)

    def take_averages(self) -> None:
        """Puts the averages, if there are, in the weights' place."""
        pairs = zip(self.variables, self.averages, strict=True)
        for variable, average in pairs if self.averages else ():
            variable.assign(keras.ops.convert_to_numpy(average))

    def average_statistics(self) -> None:
        """Gives the devices the mean of their moving statistics.

        Each device has its own where batch normalisation is not synchronized,
        and only those of the first would be validated and saved.
        """
        import tensorflow as tf

        if self.config.synchronized or self.strategy.num_replicas_in_sync == 1:
            return
        if "statistics" not in self._compiled:
            variables = [
                v
                for layer in self._norms
                for v in (layer.moving_mean, layer.moving_variance)
            ]

            def on_replica():
                context = tf.distribute.get_replica_context()
                values = [tf.identity(v.value) for v in variables]
                means = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
                for variable, mean in zip(variables, means, strict=True):
                    variable.assign(mean)

            self._compiled["statistics"] = tf.function(
                lambda: self.strategy.run(on_replica)
            )
        self._compiled["statistics"]()


def _counts(loss, outputs, labels):
    """Loss, and how many labels are ranked first and among the first five."""
    import tensorflow as tf

    outputs = tf.cast(outputs, tf.float32)
    k = min(5, outputs.shape[-1])
    first = tf.math.in_top_k(labels, outputs, 1)
    five = tf.math.in_top_k(labels, outputs, k)
    return tf.stack(
        [
            tf.cast(loss, tf.float32),
            *(tf.reduce_sum(tf.cast(hit, tf.float32)) for hit in (first, five)),
        ]
    )
