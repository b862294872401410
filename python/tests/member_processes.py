"""Members as real processes, each on a host of its own (or all on this one), which a test leads through a training."""

import itertools
import multiprocessing
import os
import pickle
import time

import numpy as np

from ramet import _core

PATIENCE = 60  # seconds until a member that says nothing counts as hung


def make_rows(rows, features, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, features))
    return X, X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + 0.1 * random.normal(size=rows)


def table_of(X, y):
    return _core.Table.from_arrays([f"x{i}" for i in range(X.shape[1])] + ["y"], [X, y])


def parts_of(X, y, count, parameters):
    """(binning, parts) of rows cut into `count` parts."""
    context = _core.Context(1)
    columns = {"label": "y", "classification": False}
    borders = np.linspace(0, len(y), count + 1).astype(int)
    pieces = [slice(a, b) for a, b in itertools.pairwise(borders)]
    survey = _core.Survey.merge([_core.Survey.of(context, table_of(X[piece], y[piece]), **columns) for piece in pieces])
    sample = _core.Sample.merge(
        [
            _core.Sample.of(
                context, table_of(X[piece], y[piece]), survey, first_row=int(piece.start), parameters=parameters
            )
            for piece in pieces
        ]
    )
    binning = _core.Binning.find(context, survey, sample, parameters=parameters)
    parts = [
        _core.Part.make(context, table_of(X[piece], y[piece]), binning, first_row=int(piece.start), label="y")
        for piece in pieces
    ]
    return binning, parts


def _serve(pipe, prepare, tls_files, host):
    if prepare is not None:
        prepare()
    tls = None if tls_files is None else _core.Tls(*tls_files)
    listener = _core.Listener(host, tls=tls, local=False)  # as on machines apart
    pipe.send(listener.port)
    collective = data = None
    while (order := pipe.recv()) is not None:
        name, arguments = order
        try:
            if name == "hold":
                binning, parts, total = arguments
                data = _core.Dataset.assemble(_core.Context(1), binning, parts, total_rows=total)
                answer = data.num_rows
            elif name == "connect":
                collective = None
                collective = _core.connect(listener, **arguments)
                answer = time.monotonic()
            elif name == "train":
                answer = _train(pipe, data, collective, **arguments)
        except OSError as error:
            about = error.failed_member if collective is None else collective.failed_member
            told = {"error": str(error), "failed_member": about, "at": time.monotonic()}
            result = getattr(error, "result", None)
            answer = told | {"so_far": None if result is None else pickle.dumps(result)}
        pipe.send(answer)


def _train(pipe, data, collective, parameters, so_far=None):
    times = []

    def on_round(report):
        times.append(time.monotonic())
        if report.round in (1, 5):
            pipe.send(("round", report.round))
        return False

    result = _core.train(
        _core.Context(1),
        parameters,
        data,
        collective=collective,
        on_round=on_round,
        so_far=None if so_far is None else pickle.loads(so_far),
    )
    return {"digest": result.model.digest, "rounds": result.model.num_rounds, "times": times, "use": collective.use}


class Members:
    """Processes that listen. `addresses`: of the hosts, by member; `hosts`: see namespaces, None for this one."""

    def __init__(self, size, *, hosts=None, tls_files=None):
        context = multiprocessing.get_context("spawn")
        self.size, self.pipes, self.processes = size, [], []
        for rank in range(size):
            mine, theirs = context.Pipe()
            prepare = None if hosts is None else _Enter(hosts.names[rank])
            arguments = (theirs, prepare, tls_files, "127.0.0.1" if hosts is None else "0.0.0.0")
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self.pipes.append(mine)
            self.processes.append(process)
        self.addresses = [
            ("127.0.0.1" if hosts is None else hosts.address(rank), self.answer(rank)) for rank in range(size)
        ]

    def order(self, rank, name, arguments):
        self.pipes[rank].send((name, arguments))

    def answer(self, rank, timeout=PATIENCE):
        """The next answer of a member, news about rounds left out."""
        end = time.monotonic() + timeout
        while True:
            answer = self.news(rank, end - time.monotonic())
            if not (isinstance(answer, tuple) and answer[0] == "round"):
                return answer

    def news(self, rank, timeout=PATIENCE):
        assert self.pipes[rank].poll(max(0, timeout)), f"member {rank} says nothing"
        return self.pipes[rank].recv()

    def hold(self, ranks, binning, parts, total):
        """Deals the parts to these members."""
        for place, rank in enumerate(ranks):
            self.order(rank, "hold", (binning, parts[place :: len(ranks)], total))
        assert sum(self.answer(rank) for rank in ranks) == total

    def connect(self, ranks, group, **options):
        """These form a group; what each answers."""
        addresses = [self.addresses[rank] for rank in ranks]
        for place, rank in enumerate(ranks):
            self.order(rank, "connect", {"rank": place, "addresses": addresses, "group": group, **options})
        return [self.answer(rank) for rank in ranks]

    def train(self, ranks, parameters, so_far=None):
        for rank in ranks:
            self.order(rank, "train", {"parameters": parameters, "so_far": so_far})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.join()


class _Enter:
    def __init__(self, namespace):
        self.namespace = namespace

    def __call__(self):
        from namespaces import enter

        enter(self.namespace)


def new_group():
    return os.urandom(32)
