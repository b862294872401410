"""The engine, as the estimators see it. Conversions only: no logic lives here.

Errors: an impossible parameter or data that do not fit are ValueError, a file that fails is OSError, a stop is
KeyboardInterrupt (or what a callback raised). Long calls release the GIL and see Ctrl-C within a fraction of a second.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str
algorithm_version: int

class ParameterInfo:
    name: str
    default: str | int | float | bool
    minimum: float
    maximum: float
    help: str

def parameters() -> list[ParameterInfo]: ...  # AllParameters(), in order
def loss_names() -> list[tuple[str, bool]]: ...  # (name, classification)
def default_metric(loss: str) -> str: ...  # of a loss by its registered name
def metric_names() -> list[tuple[str, bool, bool]]: ...  # (name, classification, higher_is_better)

class Context:
    """Run parameters: they never change a result."""
    def __init__(self, threads: int | None = None, isa: str | None = None) -> None: ...  # None: environment / all
    threads: int
    isa: str

class Table:
    """Columns, without a copy: keeps the arrays that it was made from alive."""
    @staticmethod
    def from_arrow(stream: object) -> Table: ...  # anything with __arrow_c_stream__; all batches are read
    @staticmethod
    def from_arrays(names: Sequence[str], columns: Sequence[Any]) -> Table: ...
    # each of `columns` is 1-D (any stride; one name) or 2-D (its columns, in order: as many names); together they have
    # len(names) columns. dtypes: bool, (u)int8-64, float16/32/64; native byte order. Any strides, C or Fortran order.
    # Or it has __arrow_c_array__: one column of any type that streams may have; such columns come after the others.
    num_rows: int
    column_names: list[str]

class Model:
    @staticmethod
    def load(path: str) -> Model: ...
    @staticmethod
    def from_bytes(data: bytes) -> Model: ...
    def to_bytes(self) -> bytes: ...
    def save(self, path: str) -> None: ...
    digest: str
    algorithm_version: int
    loss: str
    label_name: str
    parameters: dict[str, str]
    provenance: dict[str, str]
    feature_names: list[str]
    feature_types: list[str]  # Arrow formats of the training columns
    feature_kinds: list[str]  # "numeric" | "categorical"
    categories: list[list[int | str]]  # per feature; [] for numeric
    folded: list[bool]
    classes: list[int | str]
    base_scores: NDArray[np.float64]
    num_rounds: int
    num_outputs: int
    num_trees: int
    def importance(self, kind: str) -> NDArray[np.float64]: ...  # "gain" | "split"
    def tree(self, index: int) -> dict[str, NDArray[Any]]: ...
    # arrays of one entry per node: feature (int32, -1 leaf), left, right (int32, -1 leaf), threshold, value, gain
    # (float64), count (uint64), missing_left (bool), category_set (int32, -1)
    def tree_category_set(
        self, tree: int, set: int
    ) -> tuple[list[int], bool]: ...  # category indices left; others_left
    def tree_text(self, index: int) -> str: ...
    def tree_graphviz(self, index: int) -> str: ...
    def to_json(self) -> str: ...
    def first_rounds(self, rounds: int) -> Model: ...  # a model of the first `rounds` rounds

class Dataset:
    @staticmethod
    def make(
        context: Context,
        table: Table,
        *,
        label: str,
        weight: str = "",
        features: Sequence[str] = (),
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        classification: bool,
        parameters: dict[str, str],
        reference: Dataset | None = None,
        initial_model: Model | None = None,
        validation: bool = False,
        metrics: Sequence[str | Metric] = (),
        watch_training: bool = False,
    ) -> Dataset: ...
    # `table` is used up. `numeric`: also dictionary-of-number features. `reference`: the training set of an eval set.
    # `validation`: with initial_model, whether a set to watch is given beside the training set (see ContinueFrom).
    # class weights are applied here (parameters["class_weight"]).
    # `metrics`, `watch_training`: as train() will be given, where there is an initial model: its rounds count too.
    @staticmethod
    def assemble(
        context: Context, binning: Binning, parts: Sequence[Part], *, total_rows: int, weighted: bool | None = None
    ) -> Dataset: ...
    # Parts in any order, none overlapping; 0 parts are fine (a member without rows). `total_rows`: of the whole set.
    # `weighted`: whether some part of the whole set is (Part.weighted); None: as the training rows (Binning.weighted).
    num_rows: int
    feature_names: list[str]
    feature_kinds: list[str]
    classes: list[int | str]
    memory_bytes: int

# A data set whose table comes in parts, here and elsewhere. All four are immutable, pickle (the large buffers of Sample
# and Part out of band in protocol 5), and may be read from many threads.
#
#   per part: Survey.of ─merge─► Survey;  per part: Sample.of ─merge─► Sample;  Binning.find(survey, sample)
#   per part: Part.make;  per member: Dataset.assemble
#
# Whatever the cut and the order of merging, Dataset.make of the whole table gives the same bits.

class Survey:
    """What a part tells before bins can be found: row count, columns, counts of categories and classes, weights."""
    @staticmethod
    def of(
        context: Context,
        table: Table,
        *,
        label: str,
        weight: str = "",
        features: Sequence[str] = (),
        categorical: Sequence[str] = (),
        numeric: Sequence[str] = (),
        classification: bool,
        class_weight: str = "",
    ) -> Survey: ...
    # `table` is not used up; 0 rows are fine. An error names column and row, counted from 1 within the part.
    @staticmethod
    def merge(surveys: Sequence[Survey]) -> Survey: ...
    # Associative and commutative. An error names a column that the parts disagree about. Where nulls alone, or numbers
    # of another width, are in some part's column, the others say what it is.
    num_rows: int

class Sample:
    """The rows whose values bin edges are taken from."""
    @staticmethod
    def of(
        context: Context,
        table: Table,
        survey: Survey,
        *,
        first_row: int,
        parameters: dict[str, str],
        everything: bool = False,
    ) -> Sample: ...
    # `survey`: the merged one; what only all rows show (no rows, one class, no weight) is an error here.
    # `everything`: all rows that might be in it, for the one time in 10^20 that a merged sample is not `enough`.
    @staticmethod
    def merge(samples: Sequence[Sample]) -> Sample: ...
    num_rows: int
    nbytes: int
    enough: bool  # of a merged one

class Binning:
    """Bins, classes and names: how a row of any part becomes a row of bins. What an eval set needs too."""
    @staticmethod
    def find(context: Context, survey: Survey, sample: Sample, *, parameters: dict[str, str]) -> Binning: ...
    feature_names: list[str]
    feature_kinds: list[str]
    classes: list[int | str]
    num_rows: int  # of the training rows
    weighted: bool  # some training row weighs other than 1, its class's weight included

class Part:
    """Binned rows, with labels and weights."""
    @staticmethod
    def make(
        context: Context,
        table: Table,
        binning: Binning,
        *,
        first_row: int,
        label: str,
        weight: str = "",
        initial_model: Model | None = None,
    ) -> Part: ...
    # `table` is used up. Also for eval sets, with rows of their own. `initial_model`: the rows' raw scores are kept.
    first_row: int
    num_rows: int
    nbytes: int
    weighted: bool  # some row here weighs other than 1
    fingerprint: str  # 32 hex digits: 128 bits of bins, labels, weights and initial scores

class Metric:
    """A metric of one's own."""
    def __init__(
        self,
        name: str,
        function: Callable[
            [NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float32] | None], float
        ],
        higher_is_better: bool,
    ) -> None: ...
    # function(labels, raw_scores (rows x outputs), response (rows x outputs, or rows x classes), weights) -> value.
    # labels: targets, or class indices as float64.

class Collective:
    """A member of a group that trains together."""

    rank: int
    size: int
    failed: bool
    error: str  # "" unless failed; what happened
    failed_member: int  # the rank that the failure is about; -1 where that is not known
    use: dict[str, float]  # exchanges, bytes_sent, bytes_received, seconds
    def stop(self) -> None: ...  # from any thread: ends all exchanges here, within 0.1 s; the others notice
    def all_gather(self, own: bytes) -> list[bytes]: ...  # everybody's, by rank; ConnectionError after a failure

class Tls:
    """Certificates as files, as Dask's Security names them: both sides are checked against `ca_file`."""
    def __init__(self, ca_file: str, cert_file: str, key_file: str) -> None: ...  # OSError names a file that is wrong

class Listener:
    """A port that members of one group after another connect to. Listens at once."""
    def __init__(self, host: str = "0.0.0.0", port: int = 0, *, tls: Tls | None = None, local: bool = True) -> None: ...
    # local: members of one machine and user use its own sockets (a name of this network namespace, no port), where
    # they can: half of the processor time. The secret and `tls` are asked for there, too.
    port: int
    def close(self) -> None: ...

def connect(
    listener: Listener,
    *,
    rank: int,
    addresses: Sequence[tuple[str, int]],
    group: bytes,
    connect_timeout: float = 30.0,
    silent_after: float = 10.0,
) -> Collective: ...

# Connects all pairs, and returns when all members are there. `group`: 16 to 64 secret bytes of this fit and epoch;
# peers that do not know them are refused. OSError names the member that could not be reached, and has its rank as
# `failed_member`. A native thread gives signs of life; a member silent for `silent_after` seconds fails the collective.

def local_group(size: int) -> list[Collective]: ...  # for threads of one process

class CommCollective(Collective):
    """Over messages that somebody else carries: every one once, whole, in the order of its sender."""
    def __init__(
        self,
        rank: int,
        size: int,
        send: Callable[[int, bytes], None],
        receive: Callable[[int], bytes | bytearray | memoryview | None],
    ) -> None: ...
    # send(to, message) does not wait for the receiver. receive(from) waits a fraction of a second at most: None, and it
    # is asked again. What either raises fails the collective.

class RoundReport:
    round: int  # 1-based, rounds of an initial model included
    rounds: int  # planned
    seconds: float
    learning_rate: float
    values: dict[tuple[str, str], float]  # (set name, metric name) -> value; the watched pair comes first
    def result(self) -> TrainResult: ...  # of the rounds so far, a copy; within on_round only

class TrainResult:
    model: Model
    history: dict[tuple[str, str], list[float]]  # entry 0 is before the first round; one more per round
    best_round: int
    stopped_early: bool
    stopped: bool  # a callback asked to stop
    seconds: float
    steps: dict[str, float]
    # pickles

def train(
    context: Context,
    parameters: dict[str, str],
    data: Dataset,
    *,
    eval_sets: Sequence[tuple[str, Dataset]] = (),
    metrics: Sequence[str | Metric] = (),
    watch_training: bool = False,  # measure on the training rows too; their set is called "train"
    initial_model: Model | None = None,
    checkpoint_path: str = "",
    checkpoint_every: int = 10,
    on_round: Callable[[RoundReport], bool | None] | None = None,  # True: stop after this round
    learning_rate: Callable[[int], float] | None = None,  # of a 1-based round
    gradients: Callable[
        [NDArray[np.float64], NDArray[np.float64], NDArray[np.float32] | None], tuple[NDArray[Any], NDArray[Any]]
    ]
    | None = None,
    # gradients(labels, raw_scores (rows x outputs; 1-D where there is one), weights) -> gradient, hessian so shaped,
    # weights NOT yet applied by the caller: the engine multiplies by them
    so_far: TrainResult | None = None,  # go on from these rounds of the same training: scores are replayed on the bins
    collective: Collective | None = None,
) -> TrainResult: ...

# Sets watched: eval_sets in order, or, with early stopping and no eval set, the rows held out, called "validation".
# `metrics`: the first is what early stopping watches if given, else parameters["metric"].
# `collective`: all members call with the same arguments, each with its own data, and get the same result; a stop that
# on_round asks for anywhere stops all after that round, and the first member's learning_rate counts. A lost member is a
# ConnectionError of the others, whose attribute `result` is a TrainResult of the rounds so far, or None without any.
# Interrupted: KeyboardInterrupt whose attribute `result` is a TrainResult of the rounds so far, as has the exception of
# a callback.

class Predictor:
    def __init__(self, model: Model) -> None: ...
    num_outputs: int
    def raw_scores(
        self, context: Context, data: Table | NDArray[Any], rounds: int = 0
    ) -> NDArray[np.float64]: ...  # rows x outputs
    # an array: 2-D, its columns are the model's features by position, any strides; a Table: by name
    def response(self, context: Context, data: Table | NDArray[Any], rounds: int = 0) -> NDArray[np.float64]: ...
    # probabilities (rows x classes, two for binary) or predicted values (rows,)
    def classes(
        self, context: Context, data: Table | NDArray[Any], rounds: int = 0
    ) -> NDArray[np.int64]: ...  # class indices (rows,)
    def leaves(self, context: Context, data: Table | NDArray[Any]) -> NDArray[np.int32]: ...  # rows x trees
    def staged_raw_scores(
        self, context: Context, data: Table | NDArray[Any]
    ) -> StagedScores: ...  # iterator, rows x outputs each

class StagedScores:
    def __iter__(self) -> StagedScores: ...
    def __next__(self) -> NDArray[np.float64]: ...

def response_of(model: Model, raw_scores: NDArray[np.float64]) -> NDArray[np.float64]: ...
def compute_metric(
    context: Context,
    name: str,
    labels: NDArray[np.float64],
    raw_scores: NDArray[np.float64],
    weights: NDArray[np.float32] | None,
    loss: str = "",
    quantile: float = 0.5,
) -> float: ...

# `loss`: what the raw scores are of; "": they are predictions.

# The command, and what its readers in Python share with the engine's own. Text goes to the process's standard output
# and error; a signal's exception stops the run, and the exit code says so.
class UsageError(ValueError): ...  # exit code 2; of open_files and the functions below

def run_command(
    argv: Sequence[bytes],
    open_files: Callable[..., object],
    versions: Sequence[tuple[str, str]],
    train_on_cluster: Callable[..., object] | None = None,
    list_store: Callable[[bytes], list[bytes]] | None = None,
) -> int: ...

# open_files(paths: list[bytes], *, columns, drop, types, missing, delimiter, format, threads, cancelled) -> an object
# with a `schema`, which iterates over record batches; it may raise UsageError, OSError, KeyboardInterrupt, ValueError.
# train_on_cluster(*, workers, scheduler, …), called for --workers and its like with the fields of ClusterTraining
# (src/cli/cluster.h) -> (TrainResult, rows, features, seconds of reading, seconds of binning), or None if it has handed
# the training on. It may raise the same.
# list_store(uri) -> the files that it stands for; paths are the engine's to list.
missing_spellings: tuple[str, ...]

def available_memory() -> int: ...
def list_files(paths: Sequence[bytes], list_store: Callable[[bytes], list[bytes]] | None = None) -> list[bytes]: ...
def format_of(file: str, format: str = "") -> str: ...
def choose_columns(
    file: str, names: Sequence[str], columns: Sequence[str], drop: Sequence[str], types: Sequence[tuple[str, str]]
) -> list[str]: ...
