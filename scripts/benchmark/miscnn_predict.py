"""Segments one CT with MIScnn 1.4.0 and weights drawn at random; runs in MIScnn's own environment.

Usage: python miscnn_predict.py DATA CASE OUTPUT, where DATA/CASE/imaging.nii.gz is the CT. Prints JSON: seconds of
`predict` and of the whole process.
"""

import json
import sys
import time

started = time.perf_counter()

from miscnn import Data_IO, Neural_Network  # noqa: E402
from miscnn.data_loading.interfaces import NIFTI_interface  # noqa: E402
from miscnn.neural_network.architecture.unet.standard import Architecture  # noqa: E402
from miscnn_setup import make_preprocessor  # noqa: E402

OVERLAP = (80, 80, 40)


def main(data: str, case: str, output: str) -> None:
    """Predicts `case` as covid19.MIScnn is configured."""
    files = Data_IO(NIFTI_interface(channels=1, classes=4), data, output_path=output, delete_batchDir=True)
    preprocessor = make_preprocessor(files, 1)
    preprocessor.patchwise_overlap = OVERLAP
    model = Neural_Network(preprocessor=preprocessor, architecture=Architecture())
    begun = time.perf_counter()
    model.predict([case])
    ended = time.perf_counter()
    print(json.dumps({"predict_seconds": ended - begun, "process_seconds": ended - started}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
