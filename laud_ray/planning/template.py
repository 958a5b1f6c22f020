"""The commented task.yaml that `laud init` fills in."""

# The task where its labels are classes without an order.
FLAT = """\
# The task. Labels are the classes. A description helps where the name alone is not clear:
#   - {{name: Yogurt, description: plain and flavoured yogurt}}
# Labels can also be in a file (YAML, JSON, CSV with the columns name and description, or text):  labels: labels.csv
# `also` lists other spellings of a label that occur in the data:  - {{name: Milk, also: [milk, MILK]}}
task:
  name: {name}
  kind: multiclass             # or binary: the label marked `positive: true` against all others
  labels:{note}
{labels}
"""

# The task where its labels are paths in a column of the data.
TAXONOMY = """\
# The task. Its labels are the leaves of a tree: {size}.
# The paths in the column are read once and kept in the run's folder. Other sources of labels:
#   labels: taxonomy.txt     a path in each line, also with an id before it, as in Google's and Shopify's taxonomies
#   labels: taxonomy.csv     with the columns code, parent and name; or path; or level 1, level 2, ...; and optionally
#                            description and also (other names that occur in data, divided by |)
#   labels: [Food > Tea, Food > Milk]
# answers: any lets every node of the tree be the right answer of a document; leaf: only leaves.
task:
  name: {name}
  kind: taxonomy
  labels: {{column: {column}}}
  separator: {separator}
  answers: leaf
"""

# The task where several labels may apply to a document.
MULTILABEL = """\
# The task. Several labels may apply to a document, or none: {size}.
# A description helps where the name alone is not clear:  - {{name: Yogurt, description: plain and flavoured yogurt}}
# Labels can also be in a file (YAML, JSON, CSV with the columns name and description, or text):  labels: labels.csv
# `also` lists other spellings of a label that occur in the data:  - {{name: Milk, also: [milk, MILK]}}
# In the data, labels are a list (Parquet, JSON), or a text with a separator between them. An empty list says that no
# label applies; a missing one, or an empty text, is no answer.
#   separator: ";"         stands between the labels in a text; not needed for lists
#   at_most: 3             the most labels of a document
#   exclusive: [[A, B]]    groups of labels of which at most one applies to a document
task:
  name: {name}
  kind: multilabel
{keys}  labels:
{labels}
"""

# Below the evaluation sample of a taxonomy.
PROMISE = """
# The share of answers that are right at their level. An answer that is too uncertain climbs to the node above, until a
# threshold holds that was verified on the evaluation sample; a larger sample lets more answers stay at the leaf.
promise: {accuracy: 0.9}
"""

# Above the query strategy of a task with one label for a document.
STRATEGIES = """\
# Which documents to annotate next. auto chooses a strategy after each round, by the evaluation sample and the last
# answers. The strategies:
#   uncertainty of the model: margin, entropy, least_confidence;   disagreement of several rounds' models: disagreement
#   position in embedding space: kmeans, core_set, typiclust, prob_cover, badge, contrastive
#   classes with few annotations: rare_class, anchors;   others: random, high_confidence
#   several together: strategy: mix, with weights such as  mix: {margin: 0.7, typiclust: 0.3}
# diversity (kmeans, core_set or badge) spreads a batch of an uncertainty strategy over different documents; shortlist
# (50000) is the most candidates that are embedded; answerable (true) avoids documents similar to those from which the
# oracle abstained.
"""

# The same where several labels may apply to a document.
STRATEGIES_OF_SETS = """\
# Which documents to annotate next. The strategies:
#   auto                  half of them by label_entropy, spread over different documents, and half at random
#   label_entropy         the mean uncertainty of the labels, in which labels with few annotations weigh more
#   cardinality           documents that seem to have another number of labels than those that are annotated
#   cvirs                 labels that are close to their thresholds, in sets unlike those that are annotated
#   kmeans, core_set, typiclust, random, or mix of several with weights, such as  mix: {label_entropy: 0.7, kmeans: 0.3}
# diversity (kmeans, core_set or badge) spreads a batch of label_entropy, cardinality or cvirs over different documents;
# shortlist (50000) is the most candidates that are embedded; answerable (true) avoids documents similar to those from
# which the oracle abstained.
"""

# Where a document has one label: second answers are for a label that is probably wrong.
AUDIT = """\
# For an oracle that makes mistakes. leave_out: true trains the final model without answers that are probably wrong;
# share: 0.1 spends up to a tenth of each batch on second answers for such documents.
audit: {share: 0.0, leave_out: false}

"""

# At the end, where a document has one label: a run of several labels cannot be updated.
UPDATE = """
# `laud update`: the accuracy on new documents below which a person is needed (null: none), how much accuracy on earlier
# documents a new model may lose, and the most documents that one update asks about.
update: {floor: null, margin: 0.02, annotations: 100}
"""

TEMPLATE = """\
{task}
# The documents: a file, folder, glob or URI of Parquet, CSV, TSV or JSONL. Without an id column, ids are text hashes.
# delimiter, quote and encoding describe text files; without them they are detected in each file. quote is none, '"' (a
# quote inside a quoted cell is doubled) or '\\"' (it is escaped with a backslash).{notes}
corpus: {{path: {path}, text: {text}, id: {id}{reading}}}

# Where the run keeps everything: annotations, scores, models, report. Run `laud run` again to resume it.
storage: {storage}
seed: 0

# The scorer before there are annotations: an encoder compares each text with the names of the labels.
zero_shot: {{engine: encoder, model: bundled}}

# The learner. encoder: LoRA on a sentence encoder. linear: a linear model on frozen embeddings, faster but weaker.
learner: {{kind: encoder, model: bundled}}

# The oracle, which annotates documents:
#   {{kind: replay, label: COLUMN}}                    reads the answers from a column, which no model sees
#   {{kind: llm, engine: openai, model: MODEL_NAME}}   asks a language model at an OpenAI-compatible endpoint; base_url
#                                                    is its URL, key_variable the variable with the API key;
#                                                    engine: vllm runs the model on this cluster instead
#   {{kind: people}}                                   asks people, on the page of `laud annotate`, in a file (`laud
#                                                    questions export`, `import`) or in Label Studio; team: 3 lets
#                                                    several answer, hourly: 35 counts dollars, max_dollars caps them
#   {{kind: cascade, oracles: [...]}}                  asks several in order, each about the documents from which the
#                                                    one before abstained (an llm abstains below its threshold);
#                                                    people come last
oracle: {oracle}

# The first annotations: walk down the zero-shot ranking of each class until per_class documents of it are confirmed.
init: {{per_class: 1, max_queries: {first}}}

{strategies}query: {{strategy: auto, batch: {batch}}}

# A random sample that is annotated but never used for training. All figures are estimated from it. oracle: {{kind:
# people}} lets people answer it, where another oracle annotates the rest.
evaluation: {{size: {evaluation}}}
{promise}
{audit}# The most annotations for seed, queries and audits. Annotations for evaluation are counted separately.
budget: {{annotations: {budget}}}

# When to stop. The first rule that applies ends the run; the budget is always a rule.
#   {{kind: target, metric: {metric}, value: 0.9}}     the lower end of the metric's 95 % interval reaches the value
#   {{kind: gain, metric: {metric}, per: 100, below: 0.005}}   100 more annotations are expected to gain less than this;
#                 with cost_per_annotation and value_per_point (dollars): the gain is worth less than the annotations
#   {{kind: plateau, gain: 0.005, patience: 3}}        patience rounds in a row gained at most this much {plateau}
#   {{kind: kappa}}, {{kind: delta_f}}                   consecutive models agree; these rules need no labels
#   {{kind: rounds, maximum: 10}}, {{kind: pool_exhausted}}
stop: [{{kind: budget}}]

# Training processes (0: train in the process of the run), and GPUs for each.
resources: {{workers: 0, gpus_per_worker: 0}}

# The service to notify when a model becomes current, such as http://127.0.0.1:8000; token_env names the environment
# variable with its token. Without a url, the service finds the new model a little later by polling.
serving: {{url: null, token_env: null}}
{update}"""
