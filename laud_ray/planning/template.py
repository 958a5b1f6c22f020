"""The commented task.yaml that `laud init` fills in."""

TEMPLATE = """\
# What to learn. Labels are the classes; a description, where a name says too little, makes the start better:
#   - {{name: Yogurt, description: plain and flavoured yogurt}}
# They can also stand in a file of their own (YAML, JSON, CSV with name and description, or text):  labels: labels.csv
# also: [milk, MILK] lists other spellings of a label in the data, which mean the same.
task:
  name: {name}
  kind: multiclass             # or binary: the label marked `positive: true` against all the others
  labels:{note}
{labels}

# The documents: a file, folder, glob or URI; Parquet, CSV or JSONL. Without an id column, the text's hash is the id.
# delimiter, quote and encoding say how text files are written; without them it is found out from each file. quote is
# none, '"' (a quote within a quoted cell is doubled) or '\\"' (it is written so).{notes}
corpus: {{path: {path}, text: {text}, id: {id}{reading}}}

# Where the run keeps everything: annotations, scores, models, report. `laud run` on it again continues it.
storage: {storage}
seed: 0

# Before any annotation: the encoder compares each text with the names of the labels.
zero_shot: {{engine: encoder, model: bundled}}

# What learns. encoder: LoRA on a sentence encoder; linear: frozen embeddings, fast and weaker.
learner: {{kind: encoder, model: bundled}}

# Who answers:
#   {{kind: replay, label: COLUMN}}                    a column of the data that only the oracle sees, to try things out
#   {{kind: llm, engine: openai, model: MODEL_NAME}}   a language model; base_url names an endpoint that speaks OpenAI's
#                                                    protocol, key_variable where its key is; engine: vllm runs it here
#   {{kind: cascade, oracles: [...]}}                  the first one answers; where it abstains, as an llm does under
#                                                    its threshold, the next one does
oracle: {oracle}

# The first annotations: walk down each class's zero-shot ranking until per_class of it are confirmed.
init: {{per_class: 1, max_queries: 300}}

# What to ask next. auto: after each round what suits, by what the evaluation sample and the last answers show.
#   the model's doubt: margin, entropy, least_confidence;   of several rounds' models: disagreement
#   where documents lie: kmeans, core_set, typiclust, prob_cover, badge, contrastive
#   classes with few annotations: rare_class, anchors;   others: random, high_confidence
#   several of them: strategy: mix, with shares such as  mix: {{margin: 0.7, typiclust: 0.3}}
# diversity: kmeans, core_set or badge spreads each batch of a strategy of doubt; shortlist: 50000 is the most documents
# that are embedded for this; answerable: false does not avoid the like of what the oracle abstained from.
query: {{strategy: auto, batch: 50}}

# A random sample that is annotated, never trains, and says honestly how good each model is.
evaluation: {{size: {evaluation}}}

# Against an oracle that errs: leave_out: true trains the model that learns when the budget is spent without what is
# probably wrong; share 0.1 spends up to a tenth of each batch on asking that again.
audit: {{share: 0.0, leave_out: false}}

# Annotations that may be bought for seed, queries and audits; those for evaluation are counted apart.
budget: {{annotations: 500}}

# When to stop, whichever comes first; the budget always holds:
#   {{kind: target, metric: macro_f1, value: 0.9}}     the 95 % interval of the metric begins at or above the value
#   {{kind: gain, metric: macro_f1, per: 100, below: 0.005}}   100 more annotations are expected to add less than that;
#                 with cost_per_annotation and value_per_point, in dollars: a point costs more than it is worth
#   {{kind: plateau, gain: 0.005, patience: 3}}        so many rounds added no more than that to macro-F1
#   {{kind: kappa}}, {{kind: delta_f}}                   consecutive models say the same; these need no labels
#   {{kind: rounds, maximum: 10}}, {{kind: pool_exhausted}}
stop: [{{kind: budget}}]

# Training processes (0: in this one) and their GPUs.
resources: {{workers: 0, gpus_per_worker: 0}}

# A service to tell when a model becomes current, such as http://127.0.0.1:8000; token_env names the environment
# variable that holds its token. Without a url it finds out by itself, a little later.
serving: {{url: null, token_env: null}}
"""
