"""What the seven notebooks share: one definition of everything that is not the method itself.

==============  ==================================================================================
`config`        the profiles (smoke, cpu, t4) and the project's public address
`runtime`       Colab or not, the workspace, device and number type, seeds, seconds and memory
`stories`       load, validate, audit, clean, split, fold and chunk the stories
`models`        where pretrained weights come from: the Hub, a folder, or a package
`providers`     who writes augmented text: Groq, any compatible endpoint, or recorded answers
`journal`       the append-only record of every answer that was asked for
`gates`         what an answer must pass before it counts as a training example
`augmentation`  what to ask for, asking for it, and the training set that notebooks 04 to 06 share
`worth`         what augmentation is worth, on the same folds
`encoders`      sentence embeddings of whole stories, SetFit
`quantized`     a sentence encoder in 8 bits, for CPUs
`lexical`       TF-IDF of words or letters and a linear SVM
`fusion`        several classifiers' scores added up, with weights learned inside the training set
`classifiers`   the fast and the accurate classifier of notebook 06, by their parts
`benchmark`     their speed and memory (`make bench`)
`llm`           tokenising stories for an LLM, embedding them, scoring genre names
`lora`          LoRA training, for a classification head and for instructions
`trials`        choices of a LoRA recipe that validation makes
`qa`            questions about the stories, answered with an adapter on and off
`llm_benchmark` speed and memory of LoRA training steps (`make bench-llm`)
`training`      long trainings: kept, continued, never repeated
`evaluation`    metrics with intervals, paired tests, confusions, and the results store
`plots`         every figure
`series`        run the notebooks in order, and record them
==============  ==================================================================================
"""

import logging

# bitsandbytes tells of a missing kernel while it is imported, on every CPU with bf16; nobody can act on it here.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)
