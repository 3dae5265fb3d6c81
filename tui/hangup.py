"""What a screen does when its terminal is gone."""

import signal


def end_with_terminal() -> None:
    """Lets SIGHUP end this process, also one that was started with nohup.

    A screen whose terminal is gone would read from nothing as fast as it can, for ever.
    """
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
