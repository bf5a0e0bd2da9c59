"""Reading logs: all of them as one (`reader`), each (`log`), on behind a damaged part (`resync`), and never in silence
(`telling`)."""
