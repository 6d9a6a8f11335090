"""Callbacks: the budget of a training run, and scheduled sampling."""

import keras
import numpy as np
import pytest

from keras_attention.callbacks import AnnealToBudget, InverseSigmoidDecay


def small_model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


class Rates(keras.callbacks.Callback):
    """Records the learning rate of every step."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


def fit(budget, epochs=2):
    rates = Rates()
    x, y = np.ones((40, 2), "float32"), np.ones((40, 1), "float32")
    small_model().fit(x, y, batch_size=4, epochs=epochs, verbose=0, callbacks=[budget, rates])
    return rates.rates


def test_the_rate_rises_and_falls_to_zero_over_the_steps():
    rates = fit(AnnealToBudget(peak=1.0, steps=20, warmup=0.2))
    assert len(rates) == 20
    np.testing.assert_allclose(rates[:3], [0.25, 0.5, 0.75], rtol=1e-6)
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert rates[-1] == pytest.approx(0.0, abs=1e-7)


def test_time_ends_the_training_where_steps_do_not():
    rates = fit(AnnealToBudget(peak=1.0, steps=10**9, seconds=1e-9), epochs=50)
    assert len(rates) == 1


def test_seconds_spent_before_an_interruption_count():
    budget = AnnealToBudget(peak=1.0, steps=1000, seconds=50)
    budget.set_state({"seconds": 100.0})
    assert len(fit(budget)) == 1
    assert budget.get_state()["seconds"] == budget.spent > 100


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: AnnealToBudget(0, 10), "peak: expected a number above 0, received 0"),
        (lambda: AnnealToBudget(1.0, 0), "steps: expected a positive integer, received 0"),
        (lambda: AnnealToBudget(1.0, 10, seconds=0), "seconds: expected a number above 0"),
        (lambda: AnnealToBudget(1.0, 10, warmup=1.0), "warmup: expected a number from 0"),
        (lambda: InverseSigmoidDecay(keras.Variable(0.0), k=0), "k: expected a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_sampling_probability_rises_with_the_steps():
    probability, k = keras.Variable(0.0), 4.0
    decay, found = InverseSigmoidDecay(probability, k), []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: found.append(float(probability))
    )
    x, y = np.ones((40, 2), "float32"), np.ones((40, 1), "float32")
    small_model().fit(x, y, batch_size=4, verbose=0, callbacks=[decay, note])
    expected = [1 - k / (k + np.exp(i / k)) for i in range(10)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert decay.at(k * np.log(k)) == pytest.approx(0.5)
