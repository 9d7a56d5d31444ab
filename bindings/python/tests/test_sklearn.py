"""The estimators: scikit-learn's own checks, completely, and use in its tools."""
import pickle

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from bnorm.sklearn import BatchNormClassifier, BatchNormRegressor
from support import draw

x = draw(150, 4)
y = np.sin(x[:, 0]) + x[:, 1]
classes = np.array(["low", "mid", "high"])[(y > -0.5).astype(int) + (y > 0.7)]


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([BatchNormRegressor(), BatchNormClassifier(), BatchNormRegressor(early_stopping=True),
                          BatchNormClassifier(optimizer="adam", early_stopping=True)])
def test_check_estimator(estimator, check):
    check(estimator)


def test_pipeline_and_grid_search():
    pipeline = make_pipeline(StandardScaler(), BatchNormRegressor(random_state=0))
    grid = GridSearchCV(pipeline, {"batchnormregressor__hidden": [(4,), (8, 4)]}, cv=2).fit(x, y)
    assert grid.best_score_ > 0.8
    assert cross_val_score(BatchNormClassifier(random_state=0), x, classes, cv=3).min() > 0.75


@pytest.mark.parametrize("estimator, target", [(BatchNormRegressor, y), (BatchNormClassifier, classes)])
def test_random_state_and_pickles(estimator, target):
    first, second = (estimator(random_state=3, epochs=20).fit(x, target) for _ in range(2))
    other = estimator(random_state=4, epochs=20).fit(x, target)
    assert (first.predict(x) == second.predict(x)).all()
    scores = [m.net_.scores((x - m._center) / m._scale) for m in (first, other)]
    assert (scores[0] != scores[1]).any()
    copy = pickle.loads(pickle.dumps(first))
    assert (copy.predict(x) == first.predict(x)).all() and copy.n_features_in_ == 4


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(1).permutation(150)
    first = BatchNormRegressor(random_state=0, epochs=30).fit(x, y)
    assert (first.predict(x) == BatchNormRegressor(random_state=0, epochs=30).fit(x[order], y[order]).predict(x)).all()


def test_sample_weights():
    weights = np.random.default_rng(2).integers(0, 3, 150)
    rows = np.repeat(np.arange(150), weights)
    a = BatchNormRegressor(random_state=0, epochs=5).fit(x, y, sample_weight=weights)
    b = BatchNormRegressor(random_state=0, epochs=5).fit(x[rows], y[rows])
    np.testing.assert_allclose(a.predict(x), b.predict(x), rtol=1e-6, atol=1e-6)
    for bad in (-np.ones(150), np.zeros(150), np.ones(3)):
        with pytest.raises(ValueError):
            BatchNormRegressor().fit(x, y, sample_weight=bad)


def test_units_are_whole():
    with pytest.raises(TypeError, match="hidden: expected ints"):
        BatchNormRegressor((1.5,)).fit(x, y)
    assert BatchNormRegressor(np.int64(3), epochs=2).fit(x, y).net_.parameters["G1"].shape == (4, 3)


def test_classes_and_probabilities():
    model = BatchNormClassifier(random_state=0).fit(x, classes)
    assert list(model.classes_) == ["high", "low", "mid"]
    p = model.predict_proba(x)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert (model.classes_[p.argmax(1)] == model.predict(x)).all() and model.score(x, classes) > 0.95
    assert model.decision_function(x).shape == (150, 3)
    two = BatchNormClassifier(random_state=0).fit(x, y > 0)
    assert two.predict_proba(x).shape == (150, 2) and two.decision_function(x).shape == (150,)


def test_early_stopping_and_many_targets():
    model = BatchNormRegressor(optimizer="adam", epochs=400, rate=0.05, early_stopping=True, patience=5,
                               random_state=0).fit(x, y)
    assert model.n_iter_ < 400
    both = BatchNormRegressor(random_state=0).fit(x, np.column_stack([y, 10 - y]))
    assert both.predict(x).shape == (150, 2) and both.score(x, np.column_stack([y, 10 - y])) > 0.9
    with pytest.raises(ValueError, match="validation_fraction"):
        BatchNormRegressor(early_stopping=True, validation_fraction=2).fit(x, y)
