"""What may stand in each section of a cfg: what inference reads, what it must not be asked for, what it never reads.

Source: the parse_* functions of src/parser.c, github.com/pjreddie/darknet (September 2018) and
github.com/AlexeyAB/darknet (2024). Both read values with C's atoi and atof, which stop at the first character that is
no part of a number.
"""

import math
import re
from collections.abc import Callable, Mapping

ReadValue = Callable[[str], object]

_LARGEST_INTEGER = 2**31 - 1  # Darknet keeps options in a C int
_COMMENT = re.compile(r"[#;].*$")
"""A note behind a number, which Darknet reads over."""


def _integer(text: str) -> int:
    number = _COMMENT.sub("", text)
    digits = number.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or abs(int(number)) > _LARGEST_INTEGER:
        raise ValueError("a whole number of at most 31 bits")
    return int(number)


def _number(text: str) -> float:
    bare = _COMMENT.sub("", text)
    try:
        number = float(bare) if bare.isascii() and "_" not in bare else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def _items(text: str) -> list[str]:
    *items, last = text.split(",")
    if any(mark in item for item in items for mark in "#;"):
        raise ValueError  # Darknet would count the comma in a note
    return [*items, last]


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(_integer(item) for item in _items(text))
    except ValueError:
        raise ValueError("whole numbers with commas between") from None


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(_number(item) for item in _items(text))
    except ValueError:
        raise ValueError("finite numbers with commas between") from None


def _word(text: str) -> str:
    if not text or text.split() != [text]:
        raise ValueError("one word")
    if _COMMENT.search(text):
        raise ValueError("one word; Darknet takes a note behind it for a part of it")
    return text


def _options(reader: ReadValue, names: str) -> dict[str, ReadValue]:
    return dict.fromkeys(names.split(), reader)


READ: Mapping[str, Mapping[str, ReadValue]] = {
    "net": _options(_integer, "width height channels inputs"),
    "convolutional": _options(
        _integer, "filters size stride stride_x stride_y dilation pad padding groups batch_normalize cbn"
    )
    | _options(_word, "activation"),
    "maxpool": _options(_integer, "size stride stride_x stride_y padding"),
    "local_avgpool": _options(_integer, "size stride stride_x stride_y padding"),
    "avgpool": {},
    "route": _options(_integers, "layers") | _options(_integer, "groups group_id"),
    "shortcut": _options(_integers, "from") | _options(_word, "activation"),
    "scale_channels": _options(_integer, "from") | _options(_word, "activation"),
    "sam": _options(_integer, "from") | _options(_word, "activation"),
    "activation": _options(_word, "activation"),
    "upsample": _options(_integer, "stride"),
    "reorg": _options(_integer, "stride"),
    "softmax": _options(_integer, "groups"),
    "dropout": {},
    "cost": {},
    "empty": {},
    "region": _options(_integer, "classes num coords softmax background") | _options(_numbers, "anchors"),
    "yolo": _options(_integer, "classes num new_coords")
    | _options(_numbers, "anchors")
    | _options(_integers, "mask")
    | _options(_number, "scale_x_y beta_nms")
    | _options(_word, "nms_kind"),
}
"""Sections that are supported, and the options that decide what they compute."""


def _all_only(value: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), value)


ONLY: Mapping[str, Mapping[str, str]] = {
    "convolutional": _all_only(
        "0", "antialiasing binary xnor bin_output sway rotate stretch stretch_sway flipped coordconv"
    )
    | {"share_index": ""},
    "maxpool": _all_only("0", "antialiasing maxpool_depth maxpool_zero_nonmax"),
    "shortcut": {"weights_type": "none", "weights_normalization": "none"},
    "scale_channels": {"scale_wh": "0"},
    "upsample": {"scale": "1"},
    "reorg": _all_only("0", "reverse extra flatten"),
    "softmax": {"temperature": "1", "tree": ""},
    "region": {"tree": "", "map": ""},
    "yolo": {"map": ""},
}
"""Options that change the answer in a way that is not supported, with the value that changes nothing; empty: none."""

OF_ANY_LAYER_ONLY: Mapping[str, str] = {"dontload": "0", "dontloadscales": "0"}

_NEVER: Mapping[str, str] = {
    "net": "batch subdivisions time_steps max_batches max_epochs burn_in max_crop min_crop random adam B1 B2 "
    "eps notruth center flip letter_box mosaic mosaic_bound cutmix mixup blur gaussian_noise "
    "optimized_memory step learning_rate learning_rate_min momentum decay angle saturation exposure hue "
    "aspect power gamma scale clip max_ratio min_ratio ema_alpha policy steps scales seq_scales "
    "sgdr_cycle sgdr_mult track augment_speed sequential_subdivisions try_fix_nan weights_reject_freq "
    "equidistant_point badlabels_rejection_percentage num_sigmas_reject_badlabels use_cuda_graph "
    "loss_scale dynamic_minibatch workspace_size_limit_MB contrastive contrastive_jit_flip "
    "contrastive_color unsupervised label_smooth_eps resize_step attention adversarial_lr max_chart_loss "
    "show_receptive_field seen",
    "convolutional": "assisted_excitation dot angle grad_centr reverse stream wait_stream",
    "maxpool": "out_channels",
    "route": "stream wait_stream",
    # size, stride, pad and others of a shortcut stand in Darknet's own files, which never read them
    "shortcut": "size stride pad filters batch_normalize",
    "softmax": "noloss",
    "dropout": "probability dropblock dropblock_size_rel dropblock_size_abs",
    "cost": "type scale ratio",
    "region": "max jitter resize random bias_match rescore absolute classfix log sqrt focal_loss thresh object_scale "
    "noobject_scale class_scale coord_scale mask_scale",
    "yolo": "max jitter resize random ignore_thresh truth_thresh iou_thresh iou_thresh_kind iou_loss iou_normalizer "
    "obj_normalizer cls_normalizer delta_normalizer max_delta label_smooth_eps focal_loss objectness_smooth "
    "counters_per_class show_details track_history_size sim_thresh dets_for_track dets_for_show track_ciou_norm "
    "embedding_layer",
}
_NEVER_OF_ANY_LAYER = "stopbackward onlyforward dont_update burnin_update train_only_bn learning_rate clip"
UNREAD: Mapping[str, frozenset[str]] = {
    name: frozenset(f"{_NEVER.get(name, '')} {_NEVER_OF_ANY_LAYER}".split()) for name in READ
}
"""Options that only training, tracking or a graphics card reads, or that nothing does; values are not looked at."""

OTHER_NAMES = {
    "network": "net",
    "conv": "convolutional",
    "max": "maxpool",
    "avg": "avgpool",
    "local_avg": "local_avgpool",
    "soft": "softmax",
    "silence": "empty",
    "conn": "connected",
    "lrn": "normalization",
}
UNSUPPORTED = (
    *("connected", "crop", "local", "normalization", "batchnorm", "detection", "Gaussian_yolo", "contrastive"),
    *("implicit", "history", "reorg3d", "rnn", "crnn", "gru", "lstm", "conv_lstm", "deconvolutional", "iseg"),
    *("logistic", "l2norm"),
)
"""Sections that Darknet knows and Strata does not compute."""


def known_options(section: str) -> list[str]:
    """Every option that may stand in a section, those that decide first."""
    return [*sorted(READ[section]), *sorted({*ONLY.get(section, ()), *UNREAD[section]})]


def is_read(section: str, option: str) -> bool:
    """Whether the option decides what the section computes."""
    return option in READ[section]


def check_value(section: str, option: str, text: str) -> None:
    """Raises ValueError, saying what was expected, where an option's value is malformed or not supported."""
    if option in READ[section]:
        READ[section][option](text)
        return
    only = ONLY.get(section, {}).get(option, OF_ANY_LAYER_ONLY.get(option))
    if only == "":
        raise ValueError("supported: this option is not")
    if only is not None and text != only and not _is_number(text, float(only) if only.isdigit() else math.nan):
        raise ValueError(f"supported; only {only} is")


def _is_number(text: str, number: float) -> bool:
    try:
        return _number(text) == number
    except ValueError:
        return False
