"""Networks in files: the same again, or refused."""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import fields, replace

import numpy as np
import pytest

from golden import digits, saved
from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from golden.networks import (
    INPUT,
    Add,
    Concat,
    Conv2d,
    Dense,
    Mul,
    Network,
    Pool,
    Quantization,
    Rescale,
    Sub,
    Tensor,
)
from golden.ranges import Range
from golden.run import run
from golden.saved import digest, load, save
from golden.units import SCHEMES

FORMATS = ["s4n", "u8", "odd4", "e4m3fn:specials=propagate", "cfloat8_1_4_3:bias=12",
           "codebook:-7/0/3", "codebook4:loaded=s8", "mx_e2m1", "mx_codebook:-1/2"]
S8 = Quantization(parse("s8"), 0.1, -3)


def everything() -> Network:
    """A network with all that a file may have; it need not run."""
    rng = np.random.default_rng(0)
    common = dict(inputs=(INPUT,), output=S8)
    conv = [Conv2d(
        name=f"conv_{name}", weights=rng.integers(-127, 128, (3, 2, 1, 1)), groups=3,
        weight=Quantization(parse("s8"), rng.uniform(1, 2, 3), rng.integers(-9, 9, 3)),
        contract=contract(name), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2),
        parameters={"bias": np.array([-2**70, 0, 1], dtype=object), "multiplier": 2**40}, **common)
        for name in CONTRACTS]
    dense = Dense(name="dense", weights=[[1, -200, 3]], weight=Quantization(parse("mx_s16")),
                  exponents=[[130]], table=np.arange(-128, 128), seed=7, parameters={},
                  contract=contract("half_up", multiplier_bits=12), **common)
    units = [kind(name=f"{kind.__name__}_{way.name}", inputs=(INPUT, "k"), output=S8, scheme=way,
                  parameters={"offset": 5}) for kind in (Add, Sub) for way in SCHEMES.values()]
    others = [
        Mul(name="mul", inputs=("k", "k"), output=S8, contract=contract("onnx"), parameters={}),
        Rescale(name="rescale", contract=contract("tflite"), parameters={}, **common),
        Pool(name="max", kind="max", size=(2, 2), stride=(1, 1), clamp=(-5, 9), **common),
        Concat(name="concat", inputs=(INPUT, INPUT), output=S8, contract=contract("floor"),
               axis=2, parameters=({"shift": 3}, {"shift": -1}))]
    formats = [Tensor(f"of {name}", Quantization(
        parse(name), 0.1, exponents=Range(99, 101) if name.startswith("mx") else Range(127, 127)),
        (4, 1)) for name in FORMATS]
    return Network(name="everything", inputs=(Tensor(INPUT, S8, (4, 5, 3)), *formats),
                   constants=(Tensor("k", S8, (5, 1), rng.integers(-128, 128, (5, 1))),),
                   layers=(*conv, dense, *units, *others), outputs=("concat", "mul"))


def same(a, b) -> bool:
    """Whether two values are equal, with all that they are made of, and of the same types."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    if hasattr(a, "__dataclass_fields__"):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    return a == b


def test_everything_comes_back(tmp_path):
    network = everything()
    save(network, tmp_path / "network")
    again = load(str(tmp_path / "network"))
    assert same(network, again)
    assert digest(network) == digest(again)
    assert not again.layers[0].weights.flags.writeable
    first = (tmp_path / "network").read_bytes()
    save(again, tmp_path / "network")
    assert (tmp_path / "network").read_bytes() == first


def test_it_runs_alike(tmp_path):
    data = digits.load()
    network = digits.quantized(data, weights=parse("s4n"), activations=parse("u4"))
    save(network, tmp_path / "network")
    assert (tmp_path / "network").stat().st_size < 20_000  # 4,736 weights, a byte each
    x = np.arange(64).reshape(1, 64) % 16
    for name, levels in run(load(tmp_path / "network"), x).items():
        np.testing.assert_array_equal(levels, run(network, x)[name])


def test_digest():
    """Another for every difference; of what it is made of, not of how that is held."""
    network = everything()
    first, rest = network.layers[0], network.layers[1:]
    assert isinstance(first, Conv2d)
    weights = first.weights.copy()
    weights[2, 1, 0, 0] ^= 1
    others = [replace(network, name="n"), replace(network, outputs=("mul", "concat")),
              *(replace(network, layers=(replace(first, **changed), *rest)) for changed in (
                  {"weights": weights}, {"seed": 2}, {"stride": (1, 1)},
                  {"parameters": {**first.parameters, "bias": 0}},
                  {"weight": replace(first.weight, scale=1.5)},
                  {"contract": contract("half_up", multiplier_bits=30)}))]
    assert len({digest(network), *map(digest, others)}) == len(others) + 1
    assert digest(network) == digest(everything())
    assert re.fullmatch("[0-9a-f]{64}", digest(network))
    listed = replace(first, weights=first.weights.tolist(), weight=replace(
        first.weight, scale=list(first.weight.scale)))
    assert digest(replace(network, layers=(listed, *rest))) == digest(network)


def test_numbers_of_numpy(tmp_path):
    network = everything()
    pool = replace(network.layers[-2], clamp=(np.int8(-5), np.int64(9)))
    save(replace(network, layers=(pool,), outputs=()), tmp_path / "network")
    assert load(tmp_path / "network").layers[0].clamp == (-5, 9)


def test_a_layer_of_ones_own(tmp_path):
    class Own(Pool):
        pass

    layer = Own(**vars(everything().layers[-2]))
    with pytest.raises(TypeError, match="^Saved value must be of this project's own classes, "
                                        "not .*Own"):
        save(replace(everything(), layers=(layer,), outputs=()), tmp_path / "network")


class TestDamage:
    @pytest.fixture
    def file(self, tmp_path):
        save(everything(), tmp_path / "file")
        return tmp_path / "file"

    @staticmethod
    def refused(file):
        with pytest.raises(ValueError) as error:
            load(file)
        message = str(error.value)
        assert re.fullmatch(re.escape(f"Saved network {file} must be whole, not damaged (")
                            + r"[^\n]+\)", message), message

    def test_any_byte(self, file, rng):
        """Of the headers, the arrays or the description."""
        data = file.read_bytes()
        network, places = load(file), rng.integers(0, len(data), 60)
        seen = 0
        for place in places.tolist():
            file.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1:])
            try:
                # What does not matter to an archive, such as a date, does not here.
                assert digest(load(file)) == digest(network)
            except ValueError:
                self.refused(file)
                seen += 1
        assert seen > 40

    @pytest.mark.parametrize("data", [b"", b"PK", b"\x93NUMPY", b"x" * 999], ids=repr)
    def test_other_files(self, file, data):
        file.write_bytes(data)
        self.refused(file)
        np.save(file.with_suffix(".npy"), np.arange(3))
        self.refused(file.with_suffix(".npy"))

    def test_a_part(self, file):
        file.write_bytes(file.read_bytes()[:-100])
        self.refused(file)

    @staticmethod
    def rewritten(file, change, arrays=True):
        """The file with another description, whole otherwise."""
        with np.load(file) as archive:
            kept = dict(archive)
        text = json.loads(kept.pop("description").tobytes())
        change(text)
        data = io.BytesIO()
        np.savez(data, **(kept if arrays else {}),
                 description=np.frombuffer(json.dumps(text).encode(), np.uint8))
        file.write_bytes(data.getvalue())

    def test_an_array_less(self, file):
        with zipfile.ZipFile(file) as archive:
            kept = {name: archive.read(name) for name in archive.namelist() if name != "3.npy"}
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in kept.items():
                archive.writestr(name, data)
        self.refused(file)

    @pytest.mark.parametrize("change", [
        lambda text: text["network"]["Network"].update(name="m"),
        lambda text: text.pop("digest"), lambda text: text.pop("version"),
        lambda text: text.update(network={"Popen": {}}, digest="")])
    def test_another_description(self, file, change):
        self.rewritten(file, change)
        self.refused(file)

    @pytest.mark.parametrize("other", [5, [], {"Range": {"lo": 1, "hi": 2}}], ids=repr)
    def test_something_else(self, file, other):
        """Whole, and yet no network."""
        def change(text):
            text.update(network=other, digest=saved._digest(other, []))
        self.rewritten(file, change, arrays=False)
        self.refused(file)

    @pytest.mark.parametrize("version", [0, 1, "2"])
    def test_another_version(self, file, version):
        def change(text):
            text["version"] = version
            text["network"] = {"of": "who knows what"}
        self.rewritten(file, change)
        with pytest.raises(ValueError, match=f"^Saved network {re.escape(str(file))} must be of "
                                             f"version 2, not {version!r}$"):
            load(file)

    def test_files_that_are_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "file")
        with pytest.raises(OSError, match="^Network must be writable, not "):
            save(everything(), tmp_path / "folder" / "file")


def test_only_networks_are_saved(tmp_path):
    with pytest.raises(TypeError, match="^Network must be a Network, not 3$"):
        saved.save(3, tmp_path / "three")
    assert not (tmp_path / "three").exists()
    (tmp_path / "text").write_text("{}")
    with pytest.raises(ValueError, match=re.escape(
            f"Saved network {tmp_path}/text must be whole, not damaged "
            "(ValueError('it is no zip archive'))")):
        saved.load(tmp_path / "text")
