"""What the seven notebooks share: one definition of everything that is not the method itself.

A few modules that all notebooks stand on, and a room for each part of the story; imports run one way, up this list.

=================  ===============================================================================
`config`           the profiles (smoke, cpu, t4) and the project's public address
`colab`            what a setup cell does in Colab: install what is missing, touch nothing that is there
`words`            what a word is, in any script
`allowed`          what the notebooks' parameters may be
`parameters`       notebook parameters on a command line, as papermill takes them
`execution`        one notebook through papermill: a failed cell, a dead kernel and a time-out told apart
`terminal`         times, paths, results as they come, the last screen
`workspace`        the folder that keeps everything: its marker, writing so that nothing is half there
`runtime`          Colab or not, the workspace, device and number type, seeds
`measuring`        what a block of code costs: seconds, memory, milliseconds a story
`models`           where pretrained weights come from: the Hub, a folder, or a package
`checkpoints`      which checkpoints of a training that was cut off are whole
`training`         long trainings: kept, continued, never repeated
`stories`          01: load, validate, audit, clean, split, fold and chunk the stories
`comparison`       07: metrics and paired tests, trials on validation, the results store, tables, figures
`representations`  01, 06: text to vectors
`augmentation`     02, 03: who writes more, what must pass, the training set, what it is worth
`llm`              04, 05: a language model as a classifier, and whether it still answers questions
`fewshot`          06: SetFit, fusion, the classifiers by their parts
`takeaway`         06: the classifier to take away: saved, loaded, calibrated, explained; a command and a page
`benchmarks`       speed and memory (`make bench`, `make bench-llm`)
`pages`            notebooks as pages: contents lists, the HTML of the comparison
`series`           run the notebooks in order, and record them
`batches`          many runs: grids, on one machine or on a cluster (`make grid`)
=================  ===============================================================================
"""

import logging

# bitsandbytes tells of a missing kernel while it is imported, on every CPU with bf16; nobody can act on it here.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
