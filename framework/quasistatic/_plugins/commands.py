"""The commands that are built in: no plugin may offer another of such a name."""

from __future__ import annotations

# name: (module:attribute in `cli`, summary); the module is imported when the command is called
BUILT_IN = {
    "run": ("_run:run", "Train, evaluate, draw samples and write a report."),
    "inspect": ("_inspect:inspect", "Preview how a data file would be read."),
    "train": ("_run:train", "Train a recipe in a new run folder."),
    "resume": ("_run:resume", "Go on with a run that was stopped."),
    "sample": ("_sample:sample", "Draw samples from a trained run."),
    "evaluate": ("_evaluate:evaluate", "Measure the bound K of a trained run."),
    "strip": ("_strip:strip", "Copy a run without what it tells about its data."),
    "plugins": ("_plugins:plugins", "List all plugins and their status."),
    "show": ("_show:show", "Describe a component and its options."),
    "recipes": ("_recipes:recipes", "List the recipes that can be run by name."),
    "config": ("_config:config", "Print a recipe with every option."),
    "cache": ("_cache:cache", "Show or clear the compiled programs that are kept."),
    "doctor": ("_doctor:doctor", "Say what this installation is, and whether it computes right."),
    "bench": ("_bench:bench", "Time this machine, and a recipe on it."),
    "check": ("_check:check", "Test a plugin's components against the laws."),
    "new-plugin": ("_new_plugin:new_plugin", "Write a small plugin project that works, with its tests."),
}
