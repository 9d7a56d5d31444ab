"""safetensors_read WRITER: has the writer make a file and reads it by the rules of the format,
with the standard library alone: an implementation that shares nothing with ours."""
import json
import os
import struct
import subprocess
import sys
import tempfile


def unique(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), "duplicate keys"
    return dict(pairs)


def read(path):
    with open(path, "rb") as f:
        blob = f.read()
    (n,) = struct.unpack("<Q", blob[:8])
    assert n <= 100_000_000 and 8 + n <= len(blob)
    assert (8 + n) % 8 == 0, "the data are not aligned"
    text = blob[8 : 8 + n].decode("utf-8")
    assert text[0] == "{"
    header = json.loads(text, object_pairs_hook=unique)
    metadata = header.pop("__metadata__")
    assert all(isinstance(v, str) for v in metadata.values()), "metadata are strings"
    data, end, tensors = blob[8 + n :], 0, {}
    for name, t in header.items():
        assert set(t) == {"dtype", "shape", "data_offsets"} and t["dtype"] == "F64", name
        begin, stop = t["data_offsets"]
        count = 1
        for s in t["shape"]:
            count *= s
        assert begin == end and stop - begin == 8 * count, name
        tensors[name] = (t["shape"], list(struct.unpack(f"<{count}d", data[begin:stop])))
        end = stop
    assert end == len(data), "the data are not covered"
    return metadata, tensors


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "m.safetensors")
    subprocess.run([sys.argv[1], path], check=True)
    assert os.listdir(folder) == ["m.safetensors"]
    metadata, tensors = read(path)
shapes = {"G1": [3, 5], "gamma1": [1, 5], "beta1": [1, 5], "G2": [5, 2], "bias2": [1, 2],
          "mean1": [5], "var1": [5]}
assert {k: v[0] for k, v in tensors.items()} == shapes, tensors
parameters = [x for k in ("G1", "gamma1", "beta1", "G2", "bias2") for x in tensors[k][1]]
assert parameters == [i / 10 - 1 for i in range(len(parameters))], parameters
assert tensors["mean1"][1] == [0.0] * 5 and tensors["var1"][1] == [1.0] * 5
model = json.loads(metadata["bnorm"], object_pairs_hook=unique)
assert [l["kind"] for l in model["layers"]] == ["dense", "batchnorm", "activation", "dense"]
assert model["layers"][1] == {"kind": "batchnorm", "eps": 1e-5, "ddof": 0.0}
assert model["notes"] == [{"key": "data", "text": 'made up: "é"'}]
assert metadata["format"] == "bnorm"
