"""The only folder that knows Faust: bulk transport, worker, step and journal, snapshots."""
