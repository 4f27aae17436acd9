"""The table of verbs. A new verb is one module in this folder and one line here."""

from __future__ import annotations

VERBS = {
    "demo": ("demo:demo", "Run the tiny grid on this machine, without a GPU."),
    "open": ("open:open_experiment", "Open an experiment on screen. Starts no work."),
    "plan": ("plan:plan", "Show what would run: jobs, time, disk, checks."),
    "fetch": ("fetch:fetch", "Fetch a base model now, with progress."),
    "run": ("run:run", "Run what is not done yet: all cells, or the ones you name."),
    "status": ("status:status", "Show counts, values and what went wrong."),
    "logs": ("logs:logs", "Show the log of a cell, a job or the engine."),
    "history": ("history:history", "Tell what happened, and who asked for it."),
    "relaunch": ("relaunch:relaunch", "Run cells again. Nothing is overwritten."),
    "grow": ("grow:app", "Add sources, epochs or seeds; finished cells stay."),
    "accept": ("accept:accept", "Keep stale results as current."),
    "adopt-copy": ("adopt_copy:adopt_copy", "Make a copied experiment one of its own."),
    "stop": ("control:stop", "Stop running jobs and take queued ones back."),
    "pause": ("control:pause", "Start nothing new."),
    "resume": ("control:resume", "Continue after a pause."),
    "queue": ("queue:queue", "Show the queue; move, hold or release jobs."),
    "table": ("table:table", "Show the headline table."),
    "plot": ("plot:plot", "Draw one figure in the terminal or to files."),
    "claims": ("claims:claims", "Judge claims against the results."),
    "compare": ("compare:compare", "Compare two experiments cell by cell."),
    "report": ("report:report", "Write a report with figures, tables and claims."),
    "verify": ("verify:verify", "Check that a bundle is complete and unchanged."),
    "published": ("published:published", "Open the published card's own results."),
    "import": ("import_table:import_table", "Turn a table of results into an experiment."),
    "export": ("export:export", "Write a cell's merged model or its adapters."),
    "bench": ("bench:bench", "Measure training, merging and decoding here."),
    "doctor": ("doctor:doctor", "Check libraries, driver, GPU, disk and tokens."),
    "gc": ("gc:gc", "Remove drafts and leftovers. Attempts are kept."),
    "config": ("config:app", "Show or edit your own settings: theme, keys, notifications."),
    "notify": ("notify:notify", "Show or try who is told when something needs you."),
    "track": ("track:track", "Copy recorded events to Weights & Biases."),
    "engine-start": ("engine_start:engine_start", ""),
}
"""Name -> (module:function in this folder, one line of help; "" hides it), in help order."""
