"""The commented task.yaml that `laud init` fills in."""

TEMPLATE = """\
# What to learn. Labels are the classes. A description improves the start where a name alone is not clear:
#   - {{name: Yogurt, description: plain and flavoured yogurt}}
# Labels can also be in a file (YAML, JSON, CSV with the columns name and description, or text):  labels: labels.csv
# also: [milk, MILK] lists other spellings of a label that occur in the data.
task:
  name: {name}
  kind: multiclass             # or binary: the label marked `positive: true` against all others
  labels:{note}
{labels}

# The documents: a file, folder, glob or URI of Parquet, CSV, TSV or JSONL. Without an id column, ids are text hashes.
# delimiter, quote and encoding describe text files; without them they are detected in each file. quote is none, '"' (a
# quote inside a quoted cell is doubled) or '\\"' (it is escaped with a backslash).{notes}
corpus: {{path: {path}, text: {text}, id: {id}{reading}}}

# Where the run keeps everything: annotations, scores, models, report. Run `laud run` again to resume it.
storage: {storage}
seed: 0

# Before there are annotations, the encoder compares each text with the names of the labels.
zero_shot: {{engine: encoder, model: bundled}}

# What learns. encoder: LoRA on a sentence encoder. linear: a linear model on frozen embeddings, faster but weaker.
learner: {{kind: encoder, model: bundled}}

# Who answers:
#   {{kind: replay, label: COLUMN}}                    a column of the data that only the oracle sees
#   {{kind: llm, engine: openai, model: MODEL_NAME}}   a language model; base_url names an endpoint that speaks OpenAI's
#                                                    protocol, key_variable names the variable of its key;
#                                                    engine: vllm runs the model on this cluster
#   {{kind: cascade, oracles: [...]}}                  where one abstains, as an llm does below its threshold, the
#                                                    next one answers
oracle: {oracle}

# The first annotations: ask down each class's zero-shot ranking until per_class documents of it are confirmed.
init: {{per_class: 1, max_queries: 300}}

# Which documents to ask about next. auto chooses after each round, by the evaluation sample and the last answers.
#   uncertainty of the model: margin, entropy, least_confidence;   disagreement of several rounds' models: disagreement
#   position in embedding space: kmeans, core_set, typiclust, prob_cover, badge, contrastive
#   classes with few annotations: rare_class, anchors;   others: random, high_confidence
#   several together: strategy: mix, with shares such as  mix: {{margin: 0.7, typiclust: 0.3}}
# diversity: kmeans, core_set or badge spreads an uncertainty batch over different documents; shortlist: 50000 caps how
# many candidates are embedded for it; answerable: true skips documents similar to ones that the oracle abstained on.
query: {{strategy: auto, batch: 50}}

# A random sample that is annotated and never trains. All figures come from it.
evaluation: {{size: {evaluation}}}

# If the oracle makes mistakes: leave_out: true trains the final model without answers that are probably wrong;
# share: 0.1 spends up to a tenth of each batch on asking about such answers again.
audit: {{share: 0.0, leave_out: false}}

# The most annotations for seed, queries and audits. Annotations for evaluation are counted separately.
budget: {{annotations: 500}}

# When to stop. The first rule that applies ends the run; the budget always holds.
#   {{kind: target, metric: macro_f1, value: 0.9}}     the lower end of the metric's 95 % interval reaches the value
#   {{kind: gain, metric: macro_f1, per: 100, below: 0.005}}   100 more annotations are expected to add less than this;
#                 with cost_per_annotation and value_per_point (dollars): a point costs more than it is worth
#   {{kind: plateau, gain: 0.005, patience: 3}}        this many rounds in turn added no more than gain to macro-F1
#   {{kind: kappa}}, {{kind: delta_f}}                   consecutive models agree; these rules need no labels
#   {{kind: rounds, maximum: 10}}, {{kind: pool_exhausted}}
stop: [{{kind: budget}}]

# Training processes (0: train in this process) and their GPUs.
resources: {{workers: 0, gpus_per_worker: 0}}

# A service to notify when a model becomes current, such as http://127.0.0.1:8000; token_env names the environment
# variable that holds its token. Without a url, the service notices the new model itself a little later.
serving: {{url: null, token_env: null}}
"""
