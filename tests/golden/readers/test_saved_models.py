"""Saved networks as models: read without any package of a file format, or refused."""

import re
import subprocess
import sys

import numpy as np
import pytest

from golden import digits
from golden.formats import parse
from golden.readers import DamagedModel, kind_of, read, read_model
from golden.saved import digest, save


@pytest.fixture(scope="module")
def network():
    return digits.quantized(digits.load(), weights=parse("s4n"), activations=parse("s4"))


@pytest.fixture
def saved(network, tmp_path):
    save(network, path := tmp_path / "digits.npz")
    return path


def test_a_saved_network_is_read(saved, network):
    assert kind_of(saved) == "saved"
    model = read_model(str(saved))
    assert digest(model.network) == digest(network) == digest(read(saved))
    assert (model.runtime, model.tensors, model.inputs) == ("golden", {}, ("input",))


def test_it_needs_no_other_package(saved):
    code = (f"import sys; sys.modules.update(dict.fromkeys(['onnx', 'tflite', 'qonnx'])); "
            f"from golden.readers import read; print(len(read({str(saved)!r}).layers))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2\n"


def test_it_has_its_own_arithmetic(saved):
    with pytest.raises(ValueError, match="^Runtime must be left out for a saved network, "
                                         "not 'litert'$"):
        read(saved, "litert")


@pytest.mark.parametrize("change, message", [
    (lambda data: data[:60], "Model {} must be whole, not damaged"),
    (lambda data: data[:-30], "Model {} must be whole, not damaged"),
    (lambda data: data.replace(b"half_up", b"half_be"), "Saved network {} must be whole, not "
     "damaged (")])
def test_damaged_files(change, message, saved):
    saved.write_bytes(change(saved.read_bytes()))
    with pytest.raises(DamagedModel, match=f"^{re.escape(message.format(saved))}"):
        read_model(saved)


def test_a_small_file_of_a_large_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("golden.readers.saved.MOST_BYTES", 1000)
    path = tmp_path / "large.npz"
    np.savez_compressed(path, description=np.zeros(1000, np.uint8))
    assert path.stat().st_size < 1000
    with pytest.raises(DamagedModel, match="^Saved network .* must have at most 1000 bytes, "
                                           "not 1128$"):
        read_model(path)
