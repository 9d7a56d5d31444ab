"""Settings of the tests: time is not asserted, since machines are shared."""
import importlib.util

from hypothesis import settings

settings.register_profile("bnorm", deadline=None, max_examples=60, derandomize=True)
settings.load_profile("bnorm")

collect_ignore = []
if importlib.util.find_spec("torch") is None:
    collect_ignore.append("test_torch.py")


def pytest_report_header(config):
    return ["PyTorch is not installed: its comparison is left out"] if collect_ignore else []
