"""The worker: the only package that knows Faust. `worker.run_worker` is the way in."""
