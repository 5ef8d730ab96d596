"""Work counted instead of timed: the same on every machine, however loud."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class ElementsRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts, by operator, the elements of all tensors that are read while it is on; views read none."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.by_operator: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return self.by_operator.total()

    def __torch_dispatch__(
        self, operator: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if not operator.is_view:
            tensors = (each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor))
            self.by_operator[str(operator)] += sum(tensor.numel() for tensor in tensors)
        return operator(*args, **(kwargs or {}))
