"""Functions that really crash, stall, eat memory or fail, and the processes around them."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import distributed
import nbformat
import numpy as np
import psutil
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.modis import isolation
from lstsr_core.modis.isolation import IsolatedError, isolated

Wind = Callable[[], None]
Return = tuple[Any, list[np.ndarray]]


def multiplied(wind: Wind, rows: int, columns: int, factor: float) -> Return:
    ramp = np.arange(rows * columns, dtype=np.int16).reshape(rows, columns)
    return {"pid": os.getpid(), "factor": factor}, [ramp, np.full(3, factor)]


def process_id(wind: Wind) -> Return:
    return os.getpid(), []


def directory(wind: Wind) -> Return:
    return str(Path.cwd()), []


def odd_arrays(wind: Wind) -> Return:
    return None, [np.arange(12, dtype=">u2").reshape(3, 4).T, np.zeros((0, 5), np.uint8), np.array(7.5)]


def large(wind: Wind) -> Return:
    return None, [np.arange(4800 * 4800, dtype=np.uint16).reshape(4800, 4800)]


def refused(wind: Wind) -> Return:
    raise InputError("granule.hdf: no good.")


def failed(wind: Wind) -> Return:
    raise KeyError("something")


def dereferenced(wind: Wind) -> Return:
    return ctypes.string_at(0), []


def aborted(wind: Wind) -> Return:
    os.abort()


def stalled(wind: Wind) -> Return:
    """Stalls where Python cannot interrupt, as C code does: the interpreter's lock is held."""
    return ctypes.PyDLL(None).sleep(600), []


def slow_but_steady(wind: Wind) -> Return:
    for _ in range(4):
        time.sleep(0.5)
        wind()
    return "done", []


def greedy(wind: Wind) -> Return:
    return len(bytearray(4 << 30)), []


def greedy_with_results(wind: Wind) -> Return:
    return None, [np.ones(4 << 30, np.uint8)]


def children() -> list[psutil.Process]:
    return psutil.Process().children()


def servers_here() -> set[int]:
    """This process's servers of isolated calls; other tests may have left children that are about to end."""
    pids = set()
    for child in children():
        with suppress(psutil.Error):
            pids |= {child.pid} if "isolation" in " ".join(child.cmdline()) else set()
    return pids


def test_a_value_and_arrays_come_back() -> None:
    report, (ramp, numbers) = isolated(multiplied, 3, 5, 0.25)
    assert report["factor"] == 0.25
    np.testing.assert_array_equal(ramp, np.arange(15).reshape(3, 5))
    assert ramp.dtype == np.int16
    np.testing.assert_array_equal(numbers, [0.25, 0.25, 0.25])
    ramp += 1  # the caller's own, to write to
    assert ramp[0, 0] == 1


def test_arrays_of_any_order_and_size_come_back() -> None:
    _, (turned, empty, number) = isolated(odd_arrays)
    np.testing.assert_array_equal(turned, np.arange(12).reshape(3, 4).T)
    assert empty.shape == (0, 5) and number.shape == () and number == 7.5
    np.testing.assert_array_equal(isolated(large)[1][0], large(lambda: None)[1][0])


def test_every_call_has_a_process_of_its_own_and_servers_are_kept() -> None:
    first, _ = isolated(process_id)
    servers = children()
    second, _ = isolated(process_id)
    assert len({first, second, os.getpid()}) == 3
    assert {child.pid for child in children()} == {server.pid for server in servers}


def test_the_current_directory_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolated(process_id)
    monkeypatch.chdir(tmp_path)
    assert isolated(directory)[0] == str(tmp_path.resolve())


def test_a_limit_on_files_is_none_on_arrays(full_disk: Callable[[int], AbstractContextManager[None]]) -> None:
    with full_disk(100):
        script = (
            "import lstsr_core.modis.isolation as i, test_isolation as t; i.isolated(t.multiplied, 99, 99,"
            " 1.0)"
        )
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        }
        subprocess.run([sys.executable, "-B", "-c", script], env=environment, check=True, timeout=60)


def test_refused_input_is_raised_as_it_was() -> None:
    with pytest.raises(InputError, match=r"^granule\.hdf: no good\.$"):
        isolated(refused)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (failed, "KeyError: 'something'"),
        (dereferenced, "crashed with SIGSEGV"),
        (aborted, "crashed with SIGABRT"),
        (greedy, "needs more than 1024 MiB of memory"),
        (greedy_with_results, "needs more than 1024 MiB of memory"),
    ],
)
def test_what_breaks_a_call_is_named_and_breaks_nothing_else(
    function: Callable[[Wind], Return], message: str
) -> None:
    isolated(process_id)
    servers = {child.pid for child in children()}
    with pytest.raises(IsolatedError, match=message):
        isolated(function)
    assert isolated(process_id)[0] not in servers
    assert {child.pid for child in children()} == servers


def test_a_stalled_call_ends_at_its_limit() -> None:
    start = time.monotonic()
    with pytest.raises(IsolatedError, match="no progress for 1 s"):
        isolated(stalled, limit_s=1)
    assert time.monotonic() - start < 10


def test_a_call_that_makes_progress_may_take_longer_than_the_limit() -> None:
    assert isolated(slow_but_steady, limit_s=1)[0] == "done"


def test_a_server_that_died_while_idle_is_replaced() -> None:
    isolated(process_id)
    for child in children():
        child.kill()
    psutil.wait_procs(children(), timeout=10)
    assert isolated(process_id)[0]


def test_threads_call_at_the_same_time() -> None:
    samples: list[tuple[float, int]] = []

    def call(factor: float) -> None:
        for _ in range(5):
            report, (ramp, _) = isolated(multiplied, 20, 30, factor)
            samples.append((report["factor"] - factor, int(ramp[-1, -1])))

    threads = [threading.Thread(target=call, args=(float(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples == [(0.0, 599)] * 20


def test_an_interrupted_call_leaves_no_confusion() -> None:
    def interrupt(signal_number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt):
            isolated(slow_but_steady)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert isolated(multiplied, 2, 2, 7.0)[0]["factor"] == 7.0


def _call_in_a_process(results: "multiprocessing.SimpleQueue[tuple[int, list[int]]]") -> None:
    isolated(process_id)
    results.put((isolated(process_id)[0], [child.pid for child in children()]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings(
    "ignore:resource_tracker. process died:UserWarning"
)  # another test's, which is started anew
def test_a_daemonic_process_calls_through_a_server_of_its_own(method: str) -> None:
    isolated(process_id)
    ours = servers_here()
    context = multiprocessing.get_context(method)
    results = context.SimpleQueue()
    process = context.Process(target=_call_in_a_process, args=(results,), daemon=True)
    process.start()
    caller, servers = results.get()
    process.join(30)
    assert process.exitcode == 0
    assert servers and not ours & set(servers)
    assert caller not in ours
    assert not any(psutil.pid_exists(server) for server in servers)
    assert isolated(process_id)[0]
    assert ours and servers_here() == ours


def call_and_list_servers() -> tuple[float, list[int]]:
    factor = isolated(multiplied, 4, 4, 2.5)[0]["factor"]
    return factor, [child.pid for child in children() if "isolation" in " ".join(child.cmdline())]


def test_the_threads_of_a_dask_worker_call(tmp_path: Path) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=2,
            processes=True,
            dashboard_address=":0",
            local_directory=str(tmp_path),
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        results = client.gather([client.submit(call_and_list_servers, pure=False) for _ in range(6)])
    assert [factor for factor, _ in results] == [2.5] * 6
    servers = {server for _, servers in results for server in servers}
    assert 1 <= len(servers) <= 2
    deadline = time.monotonic() + 15
    while any(
        psutil.pid_exists(server) and psutil.Process(server).status() != psutil.STATUS_ZOMBIE
        for server in servers
    ):
        assert time.monotonic() < deadline, "a server outlives its worker"
        time.sleep(0.05)


def test_a_notebook_calls(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(
            "from lstsr_core.modis.isolation import isolated\nfrom test_isolation import multiplied"
        ),
        nbformat.v4.new_code_cell("isolated(multiplied, 2, 3, 4.5)[1][0].tolist()"),
    ]
    path = tmp_path / "notebook.ipynb"
    nbformat.write(notebook, path)
    code = (
        "import papermill, sys; papermill.execute_notebook(*sys.argv[1:], progress_bar=False,"
        " kernel_name='python3')"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    }
    subprocess.run(
        [sys.executable, "-c", code, path, path],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert nbformat.read(path, 4).cells[-1].outputs[0].data["text/plain"] == "[[0, 1, 2], [3, 4, 5]]"


@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(3)", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"]
)
def test_no_process_outlives_its_caller(ending: str) -> None:
    script = f"""
        import os, signal, psutil
        from lstsr_core.modis.isolation import isolated
        from test_isolation import multiplied
        _, arrays = isolated(multiplied, 100, 100, 1.0)
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        {ending}
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    }
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert run.stderr == ""
    (server,) = map(int, run.stdout.split())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(server) and psutil.Process(server).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the server still runs"
        time.sleep(0.05)


def test_a_call_that_stalls_ends_by_itself_when_its_caller_is_killed() -> None:
    script = """
        from lstsr_core.modis.isolation import isolated
        from test_isolation import stalled
        print("calling", flush=True)
        isolated(stalled, limit_s=2)
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, stdout=subprocess.PIPE
    ) as caller:
        assert caller.stdout and caller.stdout.readline()
        orphans: list[psutil.Process] = []
        deadline = time.monotonic() + 30
        while len(orphans) < 2:  # the server and what it forked
            assert time.monotonic() < deadline
            orphans = psutil.Process(caller.pid).children(recursive=True)
            time.sleep(0.05)
        caller.kill()
    _, alive = psutil.wait_procs(orphans, timeout=15)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_idle_servers_are_as_many_as_ever_called_at_once() -> None:
    isolated(process_id)
    assert 1 <= len(isolation._idle) <= 5
