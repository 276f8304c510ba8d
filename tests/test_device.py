"""What Keras runs on."""

import warnings

import pytest

from keras_senet import device

X86 = "flags\t\t: fpu avx2 "
SLOW = "no instructions for it"


@pytest.mark.parametrize(
    ("processor", "precision", "slow"),
    [
        (X86, "mixed_bfloat16", True),
        (X86 + "avx512_bf16", "mixed_bfloat16", False),
        (X86 + "amx_bf16", "mixed_bfloat16", False),
        (X86 + "avx512_bf16", "mixed_float16", True),
        (X86 + "avx512_fp16", "mixed_float16", False),
        (X86, "float32", False),
        # ARM's lists are called otherwise.
        ("Features\t: fp asimd", "mixed_bfloat16", False),
        (None, "mixed_bfloat16", False),
    ],
)
@pytest.mark.parametrize("cpu", [True, False])
def test_precisions_that_are_emulated_are_named(
    processor, precision, slow, cpu, tmp_path, monkeypatch
):
    path = tmp_path / "cpuinfo"
    if processor is not None:
        path.write_text(f"model name\t: 7\n{processor}\n")
    monkeypatch.setattr(device, "PROCESSOR", path)
    monkeypatch.setattr(device, "on_cpu", lambda: cpu)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        device.warn_of_slow_precision(precision)
    assert [SLOW in str(one.message) for one in found] == [True] * (
        slow and cpu
    )
