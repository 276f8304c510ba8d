"""Standard error turned away and back, whoever does it meanwhile."""

import os
import threading
import time

import pytest

from keras_senet._quiet import quietly


def place_of_stderr():
    """What file standard error is, by the numbers of the system."""
    status = os.fstat(2)
    return status.st_dev, status.st_ino


def test_what_is_written_is_kept_and_shown_after_a_failure(capfd):
    with quietly():
        os.write(2, b"a log line")
    assert capfd.readouterr().err == ""
    for show, shown in ((True, "a log line"), (False, "")):
        with pytest.raises(KeyError):
            log_and_fail(show)
        assert capfd.readouterr().err == shown


def log_and_fail(show):
    with quietly(show):
        os.write(2, b"a log line")
        raise KeyError


def test_many_threads_leave_standard_error_where_it_was():
    before = place_of_stderr()

    def work(number):
        # The first to come is not the first to go.
        with quietly():
            time.sleep(0.02 * (number % 3))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(9)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert place_of_stderr() == before


def test_it_works_within_itself(capfd):
    before = place_of_stderr()
    with quietly(), quietly():
        os.write(2, b"a log line")
    assert place_of_stderr() == before
    assert capfd.readouterr().err == ""
