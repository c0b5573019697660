"""Descriptions reduced to words that name no one: of any text, only words of a fixed list stay.

A list of what may stay cannot miss a name, as a list of what must go can.
"""

import re
from functools import cache

WORDS = frozenset(
    """
    a abdomen abdomen/pelvis adult angio angiography anterior ap apex arterial artery ascending ax axial
    axiaux base biopsy body bone bones breath breathhold brustkorb cardiac caudal cervical chest child contrast control
    coronal coronales cor cranial ct cta ctpa cap delayed derived descending detail diagnostic diffusion dose dual edge
    emphysema enhanced exp expiration expiratory fbp fine follow followup ground glass gated hd heart helical high hi
    hilus hr hrct hu imr inferior infection infiltrate inspiration inspiratory intravenous interstitial iodine iv kernel
    kontrast large lat lateral left links localizer low lower lung lungen lunge lunghe lungs linke rechte linker rechter
    lobe lobes mean mediastinal mediastinum medium mip min minip mpr mono multi native nativ neck no non normal ohne mit
    nc oblique overview pa pe pelvis pet phase plain plus portal posterior post poumon poumons pre primary prone protocol
    pulmon pulmonar pulmonary pulmones quiet recon reconstruction reformat rest resolution right rib ribs routine sag
    sagittal sagittales scan scano scanogram scout screening sequence series sharp short slice slices slow smooth soft
    spine spiral standard std stress supine study supra sans avec con sin senza superior surview survey thick thin thorax
    thoraces thoracic thoracique thoraco torace torax tissue topogram trachea transversal transverse trauma ultra
    unenhanced up upper vascular vein venous ventral very view volume weichteil weichteile whole window with without wo
    bronchi bronchial airway airways nodule nodules covid cov pneumonia pleura pleural effusion consolidation background
    healthy lesion lesions segment segmentation segmented mask pneumoseg
    adaptive asir deepir idose iterative safire admire veo truefidelity lungplus boneplus chst chest/lung softplus
    siemens healthineers ge medical systems philips toshiba canon mec hitachi shimadzu neusoft united imaging uih samsung
    minfound anke vital fujifilm elscint picker marconi imatron neurologica
    somatom definition as as+ flash edge drive force go scope sensation emotion perspective volume zoom balance spirit
    plus4 confidence naeotom alpha biograph mct vision horizon symbia intevo
    lightspeed brightspeed hispeed prospeed optima revolution discovery apex evolution evo ct660 ct540 ct750 ct750hd
    frontier maxima
    vct qx qxi pro16 pro32 ultra rt16 xtra advantage nxi
    brilliance ingenuity ict iqon spectral access incisive mx8000 idt gemini big bore core
    aquilion one prime genesis lb vision premium cxl cx rxl lightning asteion alexion activion vitrea
    scenaria supria eclos neuviz scintcare uct umi
    """.split()
)
KERNEL = re.compile(
    r"[ABCDHIJTUQ][fhlprsuv]?\d{2}[a-z]?|FC\d{1,2}|Y[A-E]|E[A-C]|L[AB]|[A-FL]|STANDARD|LUNG|BONE\w{0,4}|SOFT|CHST|EDGE",
    re.ASCII,
)
TOKEN = re.compile(r"[A-Za-z]+\+?\d*[A-Za-z]*|\d+(?:[.,/:-]\d+)*", re.ASCII)
LENGTH = re.compile(r"\d{1,2}(?:\.\d{1,2})?(?=\s*mm\b)", re.ASCII)
LETTERS_THEN_NUMBER = re.compile(r"([a-z]+\+?)\d{0,2}", re.ASCII)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
SHORT_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


def known_words(text: str) -> str:
    """The words of `text` that are on the list, with names of kernels and lengths in mm; of numbers, one of up to three
    digits where it is the only one.

    >>> known_words("ThoraxRoutine 1.5mm B40f, Mr Smith, born 12/03/1961"), known_words("Sensation 10")
    ('Thorax Routine 1.5 mm B40f', 'Sensation 10')
    """
    text = CAMEL.sub(" ", text) if not KERNEL.fullmatch(text) else text
    numbers = len(re.findall(r"(?<![A-Za-z])\d+", text))
    kept = []
    for found in TOKEN.finditer(text):
        token = found.group()
        if KERNEL.fullmatch(token) and (len(token) > 1 or token == text.strip()):
            kept.append(token)
        elif (length := LENGTH.match(text, found.start())) and length.end() >= found.end():
            kept.append(f"{length.group()} mm")
        elif token != "mm" and _is_known(token, alone=numbers == 1):
            kept.append(token)
    return " ".join(kept)


@cache
def code_meanings() -> dict[tuple[str, str], str]:
    """The meaning of each code of the schemes that DICOM uses (SCT, DCM, UCUM and others), by scheme and value."""
    from pydicom.sr.codedict import codes

    schemes = [getattr(codes, name) for name in codes.schemes()]
    every = [getattr(scheme, keyword) for scheme in schemes for keyword in scheme.dir()]
    return {(code.scheme_designator, code.value): code.meaning for code in every}


def _is_known(token: str, alone: bool) -> bool:
    word = token.lower()
    if word in WORDS or (alone and SHORT_NUMBER.fullmatch(token)):
        return True
    found = LETTERS_THEN_NUMBER.fullmatch(word)
    return found is not None and found.group(1) in WORDS
