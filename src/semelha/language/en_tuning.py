"""English texts for tunings. A pair is for one and for several; braces name values."""

TUNING: dict[str, str | tuple[str, str]] = {
    # Verdict
    "tune.level.good": "Better settings were found",
    "tune.level.fair": "The defaults are kept",
    "tune.level.unknown": "Too little was tried",
    "tune.take": "Take the settings found: of 100 pictures of classes that took no part in the choice, {found} had a "
    "picture of their class as the nearest; with the defaults, {default}.",
    "tune.keep": "Keep the defaults: with the settings found, {found} of 100 pictures of classes that took no part in "
    "the choice had a picture of their class as the nearest; with the defaults, {default}. This difference may be due "
    "to chance.",
    "tune.worse": "Keep the defaults: with the settings found, only {found} of 100 pictures of classes that took no "
    "part in the choice had a picture of their class as the nearest; with the defaults, {default}.",
    "tune.none": (
        "Keep the defaults: {n} other setting was tried, and it was not better on the selection classes.",
        "Keep the defaults: none of {n} other settings was better on the selection classes.",
    ),
    "tune.untried": "Keep the defaults: nothing else was tried.",
    "tune.train": "Train with the settings found from all pictures, with the command below.",
    "tune.train_defaults": "Train with the defaults from all pictures, with the command below.",
    "tune.budget": (
        "The time ended after {n} trial: give more (--budget) to try other settings.",
        "The time ended after {n} trials: give more (--budget) to try other settings.",
    ),
    "tune.trials": (
        "Only {n} trial was allowed: allow more (--trials) to try other settings.",
        "Only {n} trials were allowed: allow more (--trials) to try other settings.",
    ),
    "tune.basis": "This rests on {pictures} pictures of {classes} classes. {tested} of these were tested, by what was "
    "learned from others; the settings were chosen by {selection} more.",
    # Report
    "tune.title": "Settings of “{method}” for {data}",
    "tune.lead": (
        "{n} trial on {pictures} pictures of {classes} classes, in {time}.",
        "{n} trials on {pictures} pictures of {classes} classes, in {time}.",
    ),
    "tune.tested": "On the test classes",
    "tune.tested_note": "These classes took no part in the choice. In small print: 95% intervals, by bootstrap over "
    "classes.",
    "tune.difference": "difference in R@1",
    "tune.difference_note": "percentage points; p = {p}, and below 0.05 it is hardly due to chance",
    "tune.default": "defaults",
    "tune.found": "settings found",
    "tune.setting": "setting",
    "tune.automatic": "automatic",
    "tune.commands": "The commands",
    "tune.plots": "What was tried",
    "tune.plots_note": "R@1 on the selection classes against each setting. Vertical lines are 95% intervals; the "
    "dotted line is at the height of the defaults. A cross at the bottom is a trial that was stopped early or failed.",
    "tune.trial": "trial",
    "tune.trials_table": "All trials",
    "tune.time": "time",
    "tune.selection_r_at_1": "R@1 on the selection classes",
    "state.pruned": "stopped early: worse than most",
    "tune.folds": (
        "{tested} classes are tested in {n} fold; the method learns from the classes of the others, {learned} in each.",
        "{tested} classes are tested in {n} folds; the method learns from the classes of the others, {learned} in "
        "each.",
    ),
    "tune.selection": (
        "{n} other class is for trying settings alone.",
        "{n} other classes are for trying settings alone.",
    ),
    "tune.choice": "The settings that are best there, and the defaults, are measured once on the test classes.",
    "tune.p_note": "p is of a paired permutation test over classes.",
    "tune.minutes": "A training of the network ends after {time}.",
    "trial.default": "defaults",
    "trial.found": "settings found",
    "trial.other": "others",
    "trial.unmeasured": "not measured",
}
