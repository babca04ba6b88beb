"""The commands that are built in: no plugin may offer another of such a name."""

from __future__ import annotations

# name: (module:attribute in `cli`, summary); the module is imported when the command is called
BUILT_IN = {
    "run": ("_run:run", "Train, evaluate, draw samples and write a report."),
    "inspect": ("_inspect:inspect", "Say what would be read from a file of data."),
    "train": ("_run:train", "Train a recipe in a new run folder."),
    "resume": ("_run:resume", "Go on with a run that was stopped."),
    "sample": ("_sample:sample", "Draw samples from a trained run."),
    "evaluate": ("_evaluate:evaluate", "Measure the bound K of a trained run."),
    "plugins": ("_plugins:plugins", "List all plugins and what became of them."),
    "show": ("_show:show", "Say what a component is and which options it takes."),
    "recipes": ("_recipes:recipes", "List the recipes that can be run by name."),
    "config": ("_config:config", "Print a recipe with every option."),
    "check": ("_check:check", "Hold a plugin's components against the laws."),
    "new-plugin": ("_new_plugin:new_plugin", "Write a small plugin project that works, with its tests."),
}
