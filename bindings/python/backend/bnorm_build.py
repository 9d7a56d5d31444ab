"""Builds the wheel and the source distribution (PEP 517) with the standard library and a C compiler alone:
installing needs no network and no setuptools. The library is compiled from ../../src of the repository, or from
the copy in library/ of a source distribution; the extension uses the limited API, so one wheel serves Python
3.11 and later."""
import base64
import concurrent.futures
import gzip
import hashlib
import io
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parent.parent
OWN_COPY = HERE / "library"
LIBRARY = OWN_COPY if OWN_COPY.is_dir() else HERE.parent.parent
FLAGS = ["-std=c17", "-O2", "-fPIC", "-pthread", "-fno-math-errno", "-fvisibility=hidden"]
EPOCH = (1980, 1, 1, 0, 0, 0)  # of files in archives: the same sources give the same bytes


class BuildError(RuntimeError):
    """What is missing or went wrong, and what to do."""


# ------------------------------------------------------------------------------ what the package is


def project():
    with open(HERE / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]


def version():
    header = LIBRARY / "include" / "bnorm.h"
    if not header.is_file():
        raise BuildError(f"bnorm: {header} is missing: build inside the repository, or from the source distribution")
    return re.search(r'#define BNORM_VERSION "([^"]+)"', header.read_text(encoding="utf-8")).group(1)


def metadata():
    about = project()
    lines = ["Metadata-Version: 2.1", f"Name: {about['name']}", f"Version: {version()}",
             f"Summary: {about['description']}", f"License: {about['license']['text']}",
             f"Keywords: {','.join(about['keywords'])}", f"Requires-Python: {about['requires-python']}"]
    lines += [f"Classifier: {line}" for line in about["classifiers"]]
    for extra, needs in about["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {need}; extra == "{extra}"' for need in needs]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text(encoding="utf-8")]
    return "\n".join(lines).encode()


def licence():
    for folder in (HERE, HERE.parent.parent):
        if (folder / "LICENSE").is_file():
            return (folder / "LICENSE").read_bytes()
    raise BuildError("bnorm: LICENSE is missing")


# ---------------------------------------------------------------------------------------- compiling


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None


def compiler():
    command = shlex.split(os.environ.get("CC", "cc"))
    if run([*command, "--version"]) is None:
        raise BuildError(f"bnorm: no C compiler '{command[0]}': install gcc and libc6-dev (Debian), or set CC")
    return command


def links(command, code, flags):
    """Whether a program of this text links with these flags."""
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "try.c")
        with open(source, "w", encoding="ascii") as file:
            file.write(code)
        return run([*command, source, "-o", os.path.join(folder, "try"), *flags]).returncode == 0


def blas(command):
    """The flags of a BLAS with LAPACK: BNORM_BLAS if set, else what pkg-config knows, else the usual names."""
    choices = [shlex.split(os.environ["BNORM_BLAS"])] if "BNORM_BLAS" in os.environ else []
    for names in (("lapack", "blas"), ("openblas",)):
        found = run(["pkg-config", "--libs", *names])
        if found is not None and found.returncode == 0:
            choices.append(shlex.split(found.stdout))
    choices += [["-lopenblas"], ["-llapack", "-lblas"]]
    code = ("void dgemm_(void), dgesvd_(void);\n"
            "int main(void)\n{\n    dgemm_();\n    dgesvd_();\n    return 0;\n}\n")
    for flags in choices:
        if links(command, code, flags):
            return flags
    raise BuildError("bnorm: no BLAS to link with: install libopenblas-dev (Debian; any library with dgemm_ "
                     "and dgesvd_ will do), or set BNORM_BLAS to the linker's flags")


def openmp(command):
    flags = ["-fopenmp"]
    if links(command, "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n", flags):
        return flags
    print("bnorm: built without OpenMP: it will use one thread", file=sys.stderr)
    return []


def python_headers():
    folder = sysconfig.get_path("include")
    if not os.path.isfile(os.path.join(folder, "Python.h")):
        raise BuildError(f"bnorm: {folder}/Python.h is missing: install python3-dev (Debian)")
    return folder


def sources():
    return sorted((LIBRARY / "src").rglob("*.c")) + sorted((HERE / "native").glob("*.c"))


def compile_all(folder):
    """The extension, as a path in the folder. CFLAGS and LDFLAGS are heeded, last."""
    command = compiler()
    libraries, threads = blas(command), openmp(command)
    extra, link_extra = (shlex.split(os.environ.get(name, "")) for name in ("CFLAGS", "LDFLAGS"))
    flags = [*FLAGS, *threads, f"-I{LIBRARY / 'include'}", f"-I{LIBRARY / 'src'}", f"-isystem{python_headers()}",
             *extra]

    def compile_one(numbered):
        number, source = numbered
        target = os.path.join(folder, f"{number}.o")
        done = run([*command, *flags, "-c", str(source), "-o", target])
        if done.returncode != 0:
            raise BuildError(f"bnorm: {source} does not compile:\n{done.stderr}")
        sys.stderr.write(done.stderr)
        return target

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, enumerate(sources())))
    exported = os.path.join(folder, "exported")
    with open(exported, "w", encoding="ascii") as file:
        file.write("{ global: PyInit__core; local: *; };\n")  # another copy in the process stays another
    target = os.path.join(folder, "_core.abi3.so")
    done = run([*command, "-shared", "-pthread", *threads, *objects, "-o", target,
                f"-Wl,--version-script={exported}", *libraries, "-lm", *link_extra])
    if done.returncode != 0:
        raise BuildError(f"bnorm: the extension does not link:\n{done.stderr}")
    return target


# ----------------------------------------------------------------------------------------- archives


def package_files():
    return sorted(path for path in (HERE / "bnorm").rglob("*")
                  if path.suffix in (".py", ".pyi") or path.name == "py.typed")


def digest(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def wheel_tag():
    return f"cp311-abi3-{re.sub('[-.]', '_', sysconfig.get_platform())}"


def info_files():
    name = f"bnorm-{version()}.dist-info"
    wheel = f"Wheel-Version: 1.0\nGenerator: bnorm_build\nRoot-Is-Purelib: false\nTag: {wheel_tag()}\n"
    return name, {f"{name}/METADATA": metadata(), f"{name}/WHEEL": wheel.encode(), f"{name}/LICENSE": licence()}


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name, files = info_files()
    for path, data in files.items():
        target = pathlib.Path(metadata_directory, path)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, info = info_files()
    files = {str(path.relative_to(HERE)): path.read_bytes() for path in package_files()}
    with tempfile.TemporaryDirectory() as folder:
        files["bnorm/_core.abi3.so"] = pathlib.Path(compile_all(folder)).read_bytes()
    files.update(info)
    record = "".join(f"{path},{digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{name}/RECORD"] = f"{record}{name}/RECORD,,\n".encode()
    wheel = f"bnorm-{version()}-{wheel_tag()}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(".so") else 0o644) << 16
            archive.writestr(entry, data)
    return wheel


def sdist_files():
    """Everything that building, testing and reading the package needs, by its place in the archive."""
    own = [path for name in ("backend", "bnorm", "native", "tests") for path in sorted((HERE / name).rglob("*"))]
    files = {str(path.relative_to(HERE)): path for path in [HERE / "pyproject.toml", HERE / "README.md", *own]}
    for folder in ("include", "src"):
        tree = sorted((LIBRARY / folder).rglob("*"))
        files.update({f"library/{path.relative_to(LIBRARY)}": path for path in tree})
    kinds = (".c", ".h", ".inc", ".py", ".pyi", ".md", ".toml", ".typed")
    return {name: path for name, path in files.items() if path.name == "py.typed" or path.suffix in kinds}


def build_sdist(sdist_directory, config_settings=None):
    base = f"bnorm-{version()}"
    data = {name: path.read_bytes() for name, path in sdist_files().items()}
    data.update({"PKG-INFO": metadata(), "LICENSE": licence()})
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in sorted(data.items()):
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    with open(os.path.join(sdist_directory, base + ".tar.gz"), "wb") as file:
        with gzip.GzipFile(base + ".tar", "wb", fileobj=file, mtime=0) as packed:
            packed.write(plain.getvalue())
    return base + ".tar.gz"


def main():
    """bnorm_build.py FOLDER: wheel and source distribution into a folder;
    bnorm_build.py --in-place FOLDER: only the package with its extension, as FOLDER/bnorm."""
    if sys.argv[1:2] == ["--in-place"]:
        target = pathlib.Path(sys.argv[2], "bnorm")
        shutil.copytree(HERE / "bnorm", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        with tempfile.TemporaryDirectory() as folder:
            new = shutil.copy(compile_all(folder), target / "_core.new")
        os.replace(new, target / "_core.abi3.so")  # writing into the old file would fault who has it mapped
        return
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for build in (build_wheel, build_sdist):
        print(os.path.join(folder, build(folder)))


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(str(error))
