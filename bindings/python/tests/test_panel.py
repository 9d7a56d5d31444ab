"""Structured models: coefficients and covariances beside statsmodels, and what results tell."""
import json
import os
import pathlib
import pickle
import subprocess

import numpy as np
import pytest

import bnorm
import panel_data
from bnorm import PanelNet

pd = pytest.importorskip("pandas")
sm = pytest.importorskip("statsmodels.api")

data = panel_data.make()
N = len(data["y"])
frame = pd.DataFrame(data, index=[f"r{k}" for k in range(N)])
FORMULAS = {"y ~ x1 + x2 | firm": ["firm"], "y ~ x1 + x2 | firm + year": ["firm", "year"], "y ~ x1 + x2": []}


def least_squares(factors, weights=None):
    """The results of statsmodels, in which x1 and x2 come first."""
    x = np.column_stack([data["x1"], data["x2"]])
    rest = panel_data.dummies(*(data[f] for f in factors)) if factors else np.ones((N, 1))
    design = panel_data.independent(np.hstack([x, rest]))
    return sm.OLS(data["y"], design) if weights is None else sm.WLS(data["y"], design, weights=weights)


def slopes(result):
    """Places of x1 and x2: an intercept may come first."""
    return [result.names.index("x1"), result.names.index("x2")]


COVARIANCES = [
    ({"cov_type": "classical"}, {}),
    ({"cov_type": "hc0"}, {"cov_type": "HC0"}),
    ({"cov_type": "HC1"}, {"cov_type": "HC1"}),
    ({"cluster": "firm", "small": False}, {"cov_type": "cluster", "cov_kwds": {"groups": "firm", "use_correction": False}}),
    ({"cluster": "firm", "count": "all"}, {"cov_type": "cluster", "cov_kwds": {"groups": "firm", "use_correction": True}}),
    ({"cluster": "year", "count": "all"}, {"cov_type": "cluster", "cov_kwds": {"groups": "year", "use_correction": True}}),
    ({"cluster": ["firm", "year"], "small": False},
     {"cov_type": "cluster", "cov_kwds": {"groups": "both", "use_correction": False}}),
]


@pytest.mark.filterwarnings("ignore")  # dummies of two-way clusters may have negative variances there
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("ours, theirs", COVARIANCES)
def test_statsmodels_on_dummies(formula, ours, theirs):
    theirs = dict(theirs)
    if "cov_kwds" in theirs:
        which = theirs["cov_kwds"]["groups"]
        groups = np.column_stack([data["firm"], data["year"]]) if which == "both" else data[which]
        theirs["cov_kwds"] = {**theirs["cov_kwds"], "groups": groups}
    expected = least_squares(FORMULAS[formula]).fit(**theirs)
    got = PanelNet.from_formula(formula, data).fit(**ours)
    at = slopes(got)
    np.testing.assert_allclose(got.params[at], expected.params[:2], rtol=1e-10)
    np.testing.assert_allclose(got.cov[np.ix_(at, at)], expected.cov_params()[:2, :2], rtol=1e-10)
    np.testing.assert_allclose(got.bse[at], expected.bse[:2], rtol=1e-10)
    np.testing.assert_allclose(got.resid, expected.resid, atol=1e-10)
    np.testing.assert_allclose(got.fitted_values, expected.fittedvalues, atol=1e-10)
    np.testing.assert_allclose(got.rsquared, 1 - expected.ssr / ((data["y"] - data["y"].mean())**2).sum(), rtol=1e-10)
    assert got.nobs == N and got.df_resid == expected.df_resid
    np.testing.assert_allclose(got.tvalues, got.params / got.bse, rtol=1e-15)


PRODUC = pathlib.Path(__file__).resolve().parents[3] / "examples" / "produc.csv"


@pytest.mark.skipif(not PRODUC.is_file(), reason="the example's data are in the repository")
def test_produc():
    """Productivity of 48 states, with the standard errors of Stata and of plm."""
    table = pd.read_csv(PRODUC)
    got = PanelNet.from_formula("log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp | state", table).fit("classical")
    logs = np.log(table[["pcap", "pc", "emp"]].to_numpy())
    design = np.column_stack([logs, table["unemp"], panel_data.dummies(table["state"].to_numpy())])
    model = sm.OLS(np.log(table["gsp"]), design)
    np.testing.assert_allclose(got.params, model.fit().params[:4], rtol=1e-9)
    np.testing.assert_allclose(got.bse, model.fit().bse[:4], rtol=1e-9)
    assert got.names == ["log(pcap)", "log(pc)", "log(emp)", "unemp"] and got.info.units == 48
    arellano = model.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(table["state"])[0], "use_correction": False})
    np.testing.assert_allclose(got.with_cov(small=False).bse, arellano.bse[:4], rtol=1e-9)
    assert got.effects["state"].index[0] == "ALABAMA" and len(got.profile("log(pc)")) == 50
    net = PanelNet.from_formula("log(gsp) ~ log(pcap) + nn(log(pc), log(emp), unemp, year) | state", table, hidden=(8, 4),
                                penalty=1e-4, period="year").fit()
    assert net.check_gradient(entries=8).ok and net.rmse < 0.7 * got.rmse


def test_weights_are_least_squares_weights():
    w = data["w"]
    expected = least_squares(["firm", "year"], w).fit()
    for given in (w, pd.Series(w)):
        got = PanelNet.from_formula("y ~ x1 + x2 | firm + year", data, weights=given).fit("classical")
        np.testing.assert_allclose(got.params, expected.params[:2], rtol=1e-10)
        np.testing.assert_allclose(got.cov, expected.cov_params()[:2, :2], rtol=1e-9)
    named = PanelNet.from_formula("y ~ x1 + x2 | firm + year", data, weights="w").fit()
    np.testing.assert_allclose(named.params, expected.params[:2], rtol=1e-10)


def test_effects_add_up():
    got = PanelNet.from_formula("y ~ x1 | firm + year", frame).fit()
    firm, year = got.effects["firm"], got.effects["year"]
    assert firm.index.name == "firm" and set(firm.index) == set(data["firm"]) and year.iloc[0] == 0
    sums = got.params["x1"] * frame["x1"] + firm.loc[frame["firm"]].to_numpy() + year.loc[frame["year"]].to_numpy()
    np.testing.assert_allclose(sums, got.fitted_values, atol=1e-10)
    plain = PanelNet.from_formula("y ~ x1 | firm + year", data).fit()
    assert list(plain.effects) == ["firm", "year"]
    np.testing.assert_allclose(list(plain.effects["year"].values()), year, atol=1e-12)


def test_results_are_of_the_data_s_kind():
    got = PanelNet.from_formula("y ~ x1 + x2 | firm", frame).fit(cluster="firm")
    plain = PanelNet.from_formula("y ~ x1 + x2 | firm", data).fit(cluster="firm")
    for name in ("params", "std_errors", "bse", "tvalues", "pvalues"):
        series = getattr(got, name)
        assert isinstance(series, pd.Series) and list(series.index) == ["x1", "x2"]
        assert isinstance(getattr(plain, name), np.ndarray) and (getattr(plain, name) == series.to_numpy()).all()
    assert list(got.cov.columns) == ["x1", "x2"] and (got.cov.to_numpy() == plain.cov).all()
    assert (got.cov == got.cov_params()).all().all()
    assert (got.resid.index == frame.index).all() and (got.fitted_values.index == frame.index).all()
    assert list(got.conf_int().columns) == ["lower", "upper"] and (got.conf_int().to_numpy() == plain.conf_int()).all()
    assert plain.names == got.names == ["x1", "x2"]


def test_tables_of_any_kind():
    formula = "y ~ x1 + kind | firm + year"
    expected = PanelNet.from_formula(formula, data).fit()
    fields = np.empty(N, [(key, values.dtype) for key, values in data.items()])
    for key, values in data.items():
        fields[key] = values
    indexed = frame.set_index(["firm", "year"])
    for table in (fields, frame, indexed, {key: values.tolist() for key, values in data.items()},
                  frame.assign(kind=frame["kind"].astype("category"), firm=frame["firm"].astype("Int64"),
                               year=pd.to_datetime(frame["year"].astype(str))),
                  frame.assign(firm=frame["firm"].astype(np.int64) * 2**50)):
        got = PanelNet.from_formula(formula, table).fit()
        assert got.names == expected.names and len(got.names) == 3
        np.testing.assert_allclose(got.params, expected.params, rtol=1e-9)
        np.testing.assert_allclose(got.bse, expected.bse, rtol=1e-9)


def test_missing_rows_and_singletons_are_counted():
    holes = {key: np.array(values, dtype=object if values.dtype.kind in "iU" else None) for key, values in data.items()}
    holes["x1"][3], holes["y"][7], holes["firm"][9] = np.nan, np.nan, None
    holes["firm"][11] = 9999
    weights = np.ones(N)
    weights[13] = 0
    model = PanelNet.from_formula("y ~ x1 + x2 | firm", holes, weights=weights)
    info = model.info
    assert (info.table_rows, info.missing, info.weightless, info.singletons) == (N, 3, 1, 1)
    assert info.rows == N - 5 and not {3, 7, 9, 11, 13} & set(model.rows)
    got = model.fit()
    assert len(got.resid) == info.rows
    left = [k for k in range(N) if k not in (3, 7, 9, 11, 13)]
    rest = PanelNet.from_formula("y ~ x1 + x2 | firm", {key: values[left] for key, values in data.items()}).fit()
    np.testing.assert_allclose(got.params, rest.params, rtol=1e-12)
    with pytest.raises(ValueError, match="missing|NA"):
        PanelNet.from_formula("y ~ x1 + x2 | firm", holes, missing="error")
    assert PanelNet.from_formula("y ~ x1 | firm", holes, singletons="keep").info.singletons == 0
    on = pd.DataFrame(holes, index=frame.index)
    assert list(PanelNet.from_formula("y ~ x1 + x2 | firm", on).fit().resid.index[:4]) == ["r0", "r1", "r2", "r4"]


def test_units_and_periods_are_counted():
    info = PanelNet.from_formula("y ~ x1 | firm", data, period="year").info
    pairs = len(set(zip(data["firm"], data["year"])))
    assert (info.units, info.periods, info.duplicates, info.gaps) == (40, 9, 0, 360 - pairs)
    twice = {key: np.append(values, values[:3]) for key, values in data.items()}
    model = PanelNet.from_formula("y ~ x1 | firm + year", twice)
    assert model.info.duplicates == 3 and model.info.gaps == 360 - pairs
    assert "3 unit-periods seen again" in model.fit().summary()
    order = np.argsort(data["year"] * 1000 + data["firm"])
    ordered = PanelNet.from_formula("y ~ x1 | firm + year", {key: values[order] for key, values in data.items()}).fit()
    plain = PanelNet.from_formula("y ~ x1 | firm + year", data).fit()
    np.testing.assert_allclose(ordered.bse, plain.bse, rtol=1e-10)


def test_collinear_terms_are_left_out_by_name():
    table = {**data, "double": 2 * data["x1"], "of_firm": np.sqrt(data["firm"])}
    model = PanelNet.from_formula("y ~ x1 + double + of_firm + x2 | firm", table)
    assert list(model.dropped) == ["double", "of_firm"] and "fixed effects" in model.dropped["of_firm"] and model.names == ["x1", "x2"]
    got, rest = model.fit(), PanelNet.from_formula("y ~ x1 + x2 | firm", data).fit()
    np.testing.assert_allclose(got.params, rest.params, rtol=1e-12)
    assert "double" in got.summary()


def test_with_cov_is_the_same_fit():
    got = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm", data, hidden=3).fit(epochs=30)
    other = got.with_cov("classical")
    assert (other.params == got.params).all() and got.cov_type == "cluster" and other.cov_type == "classical"
    assert PanelNet.from_formula("y ~ x1", data).fit().cov_type == "classical"
    other = got.with_cov(cluster="firm")
    assert (other.cov == got.cov).all() and other.cov_info.clusters == {"firm": 40}
    again = got.with_cov("clustered", cov_kwds={"groups": data["firm"], "use_correction": True})
    np.testing.assert_allclose(again.cov, other.cov, rtol=1e-12)
    two = got.with_cov(cluster=[data["firm"], data["year"]])
    np.testing.assert_allclose(two.cov, got.with_cov(cluster=["firm", "year"]).cov, rtol=1e-12)
    full = got.with_cov("hc1", full=True)
    assert full.cov_info.full and full.cov_info.parameters == full.design(full=True).shape[1]
    assert full.cov_all().shape == (full.cov_info.parameters,) * 2
    assert full.cov_info.rank + full.cov_info.unidentified <= full.cov_info.parameters + len(full.unidentified)


def test_predictions():
    got = PanelNet.from_formula("y ~ x1 + kind + nn(z1, z2) | firm + year", frame, hidden=4).fit(epochs=50)
    np.testing.assert_allclose(got.predict(frame), got.fitted_values, atol=1e-9)
    assert (got.predict().to_numpy() == got.fitted_values.to_numpy()).all()
    some = frame.iloc[:6].copy()
    some.loc[some.index[1], "x1"] = np.nan
    made = got.predict(some)
    assert list(made.isna()) == [False, True] + [False] * 4 and (made.index == some.index).all()
    some["firm"] = some["firm"].where(np.arange(6) != 2, 12345)
    with pytest.raises(ValueError, match="12345"):
        got.predict(some)
    assert list(got.predict(some, new="nan").isna()) == [False, True, True] + [False] * 3
    assert list(got.predict(some, new="zero").isna()) == [False, True] + [False] * 4
    table = got.predict(some, new="zero", interval=0.9)
    assert list(table.columns) == ["mean", "se", "lower", "upper"]
    wide = got.predict(some, new="zero", interval=0.99)
    kept = ~table["mean"].isna()
    assert (wide["lower"] < table["lower"])[kept].all() and (table["lower"] < table["mean"])[kept].all()
    mean, se = got.predict({key: values[:5] for key, values in data.items()}, se=True)
    assert mean.shape == se.shape == (5,) and (se > 0).all()
    bounds = got.predict({key: values[:5] for key, values in data.items()}, interval=0.9)
    assert isinstance(bounds, bnorm.Prediction) and (bounds.mean == mean).all()
    alone = got.predict({key: values[:1] for key, values in data.items()})
    assert alone[0] == mean[0]
    without = {key: values for key, values in data.items() if key != "y"}
    np.testing.assert_allclose(got.predict(without), got.fitted_values, atol=1e-9)


def test_linear_margins_and_profiles_are_the_coefficients():
    got = PanelNet.from_formula("y ~ x1 + x2 | firm + year", data).fit(cluster="firm")
    names, estimate, se = got.margins()
    order = [names.index("x1"), names.index("x2")]
    np.testing.assert_allclose(estimate[order], got.params, rtol=1e-10)
    np.testing.assert_allclose(se[order], got.bse, rtol=1e-10)
    at = np.array([-1.0, 0.0, 2.0])
    profile = got.profile("x1", at)
    np.testing.assert_allclose(np.diff(profile.effect), got.params[0] * np.diff(at), rtol=1e-10)
    np.testing.assert_allclose(profile.effect, got.params[0] * (at - data["x1"].mean()), atol=1e-12)
    frames = PanelNet.from_formula("y ~ x1 + x2 | firm + year", frame).fit(cluster="firm")
    assert list(frames.margins().columns) == ["estimate", "se"]
    assert len(frames.profile("x2", points=7)) == 7


def test_margins_are_differences_of_predictions():
    got = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm", data, hidden=3).fit(epochs=60)
    names, estimate, se = got.margins()
    assert (se > 0).all()
    for name, slope in zip(names, estimate):
        high, low = ({**data, name: data[name] + h} for h in (1e-5, -1e-5))
        difference = (got.predict(high) - got.predict(low)).mean() / 2e-5
        np.testing.assert_allclose(slope, difference, rtol=1e-6, atol=1e-9)
    at = np.array([-0.5, 0.25])
    curve = got.profile("z1", at)
    means = [(got.predict({**data, "z1": np.full(N, value)}) - got.predict(data)).mean() for value in at]
    np.testing.assert_allclose(np.diff(curve.effect), np.diff(means), rtol=1e-8)


def test_networks_find_what_is_not_linear():
    linear = PanelNet.from_formula("y ~ x1 + x2 + z1 + z2 | firm + year", data).fit()
    model = PanelNet.from_formula("y ~ x1 + x2 + nn(z1, z2) | firm + year", data, hidden=(6,), penalty=1e-4)
    assert model.networks == ["nn1"] and model.variables == ["z1", "z2", "x1", "x2"]
    got = model.fit(starts=2)
    assert got.rsquared_within > linear.rsquared_within + 0.1 and got.report.starts == 2
    assert got.report.best <= got.report.worst
    report = got.check_gradient(entries=5)
    assert report.ok and [block.name for block in report] == ["nn1.G1", "nn1.gamma1", "nn1.beta1"]
    assert model.check_gradient().ok and linear.check_gradient() == []
    assert got.design().shape == (N, 2 + 6) and got.design(full=True).shape == (N, 8 + got.info.hidden)
    assert got.info.fitted and not model.info.fitted
    assert set(got.parameters) >= {"nn1.G1", "nn1.top"} and got.parameters["nn1.G1"].shape == (2, 6)
    again = model.fit(starts=2)
    assert (again.params == got.params).all() and (again.cov == got.cov).all()
    threaded = PanelNet.from_formula("y ~ x1 + x2 + nn(z1, z2) | firm + year", data, hidden=(6,), penalty=1e-4).fit(
        starts=2, threads=2)
    assert (threaded.params == got.params).all()


def test_held_out_units_stop_a_fit_and_bags_average():
    model = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm", data, hidden=4)
    got = model.fit(validate=0.25, hold="units", epochs=40)
    assert 0 < got.report.validation_rmse < data["y"].std() * 2
    adam = model.fit(optimizer="adam", epochs=5, batch=60)
    assert adam.report.optimizer == "adam" and adam.rsquared_within > 0
    bags = model.fit(bags=3, epochs=10)
    assert np.isfinite(bags.params).all() and "nn1#3.G1" in bags.parameters
    np.testing.assert_allclose(bags.predict(data), bags.fitted_values, atol=1e-9)
    assert bags.members.shape == (3, 1) and got.members.shape == (0, 1)
    np.testing.assert_allclose(bags.members.mean(0), bags.params, rtol=1e-12)
    assert "estimate" in bags.summary()
    with pytest.raises(ValueError, match="bags have none"):
        bags.bse
    with pytest.raises(ValueError, match="bag"):
        bags.with_cov("hc1")


def test_logistic():
    binary = {**data, "won": (data["y"] > np.median(data["y"])).astype(float)}
    got = PanelNet.from_formula("won ~ x1 + x2", binary, loss="logistic").fit()
    expected = sm.Logit(binary["won"], sm.add_constant(np.column_stack([data["x1"], data["x2"]]))).fit(disp=0, tol=1e-12)
    at = [got.names.index("(Intercept)"), *slopes(got)]
    np.testing.assert_allclose(got.params[at], expected.params, rtol=1e-6)
    p = got.predict(binary)
    assert ((p > 0) & (p < 1)).all()
    np.testing.assert_allclose(p, expected.predict(), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(got.bse)[at], expected.bse, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(got.pvalues)[at], expected.pvalues, rtol=1e-4)
    np.testing.assert_allclose(np.asarray(got.conf_int())[at], expected.conf_int(), rtol=1e-4)
    text = got.summary()
    assert "logistic" in text and " z " in text and "t with" not in text


def test_cross_validation():
    cv = PanelNet.cv("y ~ x1 + z1 + z2 + nn(z1, z2) | firm", data, [None, 4, {"hidden": (4, 2), "penalty": 1e-3}],
                     by="units", folds=3, fit={"epochs": 40})
    assert cv.rmse.shape == (3, 3) and cv.best == np.argmin(cv.rmse.mean(1)) and cv.best_options["hidden"] != None  # noqa
    assert "hidden=(4, 2)" in str(cv) and "best" in repr(cv)
    periods = PanelNet.cv("y ~ x1 | firm", data, [None], by="periods", folds=2, period="year")
    assert np.isfinite(periods.rmse).all()
    none = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm", data, hidden=None)
    assert none.networks == [] and none.names == ["x1"]
    stopped = PanelNet.cv("y ~ nn(z1) | firm", data, [3], folds=3, progress=lambda told: True)
    assert np.isnan(stopped.rmse).any()


def test_files_and_pickles(tmp_path):
    got = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm + year", frame, hidden=3).fit(cluster="firm", epochs=30)
    got.save(tmp_path / "model")
    for other in (PanelNet.load(tmp_path / "model"), pickle.loads(pickle.dumps(got))):
        assert other.names == ["x1"] and (other.params == got.params.to_numpy()).all()
        assert (other.cov == got.cov.to_numpy()).all() and other.cov_info == got.cov_info
        assert (other.predict(data, new="zero") == got.predict(frame, new="zero").to_numpy()).all()
        assert other.formula == got.formula and other.effects.keys() == got.effects.keys()
        assert (other.predict(data, se=True)[1] == got.predict(frame, se=True)["se"].to_numpy()).all()
        assert "x1" in other.summary()
        with pytest.raises(ValueError, match="rows"):
            other.design()
        with pytest.raises(ValueError, match="rows"):
            other.rows
    got.resid
    kept = pickle.loads(pickle.dumps(got))
    assert (kept.resid == got.resid.to_numpy()).all() and repr(kept.report) == repr(got.report)
    model = PanelNet.from_formula("y ~ x1 | firm", data)
    assert (pickle.loads(pickle.dumps(model)).fit().params == model.fit().params).all()
    with pytest.raises(OSError):
        PanelNet.load(tmp_path / "nowhere")
    (tmp_path / "broken").write_bytes((tmp_path / "model").read_bytes()[:-5])
    with pytest.raises(ValueError):
        PanelNet.load(tmp_path / "broken")


@pytest.mark.skipif("BNORM_COMMAND" not in os.environ, reason="the command is built by the repository")
def test_files_of_the_command(tmp_path):
    """Its fit is ours to the bit, its file predicts and tells the same here, and ours there."""
    table, model, out = tmp_path / "table.csv", tmp_path / "model", tmp_path / "predictions.csv"
    frame.drop(columns="w").to_csv(table, index=False)
    command, formula = os.environ["BNORM_COMMAND"], "y ~ x1 + kind + nn(z1, z2) | firm + year"

    def run(*words):
        return subprocess.run([command, *words], check=True, capture_output=True, text=True).stdout

    told = json.loads(run("fit", formula, table, "--hidden", "3", "--epochs", "20", "--out", model, "--json"))
    ours = PanelNet.from_formula(formula, frame, hidden=3).fit(epochs=20)
    theirs = PanelNet.load(model)
    assert (theirs.params == ours.params.to_numpy()).all() and (theirs.cov == ours.cov.to_numpy()).all()
    assert theirs.cov_info == ours.cov_info and theirs.names == ours.names
    linear = told["coefficients"][:len(ours.names)]
    np.testing.assert_allclose([row["estimate"] for row in linear], ours.params, rtol=1e-12)
    np.testing.assert_allclose([row["p"] for row in linear], ours.pvalues, rtol=1e-9)
    ours.save(tmp_path / "ours")
    for path in (model, tmp_path / "ours"):
        run("predict", path, table, "--out", out)
        predicted = [float(line.split(",")[-1]) for line in out.read_text().splitlines()[1:]]
        assert predicted == theirs.predict(data).tolist()


def test_summary_says_it_all():
    got = PanelNet.from_formula("y ~ x1 + x2 + nn(z1, z2) | firm + year", frame, hidden=3).fit(cluster="firm", epochs=30)
    text = got.summary()
    assert isinstance(text, str) and repr(text) == str(text)
    for part in ("firm", "year", "x1", "x2", "z1", "estimate", "std. error", "clustered by firm (40 clusters)", "within",
                 f"{N} rows", "[0.025", "average marginal effects", "nn(z1"):
        assert part in text, part
    assert f"{got.params['x1']:.6g}" in text and f"{got.bse['x2']:.6g}" in text
    assert "average marginal effects" not in got.summary(margins=False)
    assert "[0.05" in got.summary(level=0.9)


def test_plots(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot
    got = PanelNet.from_formula("y ~ x1 + nn(z1, z2) | firm", data, hidden=3).fit(cluster="firm", epochs=30)
    figure = got.plot()
    assert [axis.get_xlabel() for axis in figure.axes if axis.get_visible()] == got.variables
    figure.savefig(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size > 1000
    axis = pyplot.figure().add_subplot()
    assert got.plot("z1", ax=axis) is axis.figure and axis.lines and axis.collections
    with pytest.raises(ValueError, match="ax: expected 2"):
        got.plot(["z1", "z2"], ax=axis)
    pyplot.close("all")
