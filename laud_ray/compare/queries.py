"""The DuckDB queries of `laud diff`, over the tables old_rows, new_rows and labels."""

BINS = 1000  # bins of confidence: the median is exact to a thousandth, and the same in every run

# An aggregation instead of a join: repeated ids cannot multiply rows, and DuckDB can spill numeric aggregates to disk.
DOCUMENTS = """
CREATE TABLE documents AS
SELECT id, count(old_label) > 1 OR count(new_label) > 1 AS repeated,
       max(old_label) AS old_label, max(new_label) AS new_label,
       max(old_confidence) AS old_confidence, max(new_confidence) AS new_confidence,
       max(old_abstained) AS old_abstained, max(new_abstained) AS new_abstained,
       max(old_text) AS old_text, max(new_text) AS new_text
FROM (SELECT id, label AS old_label, confidence AS old_confidence, abstained AS old_abstained, text AS old_text,
             NULL::INTEGER AS new_label, NULL::FLOAT AS new_confidence, NULL::TINYINT AS new_abstained,
             NULL::BIGINT AS new_text FROM old_rows
      UNION ALL
      SELECT id, NULL, NULL, NULL, NULL, label, confidence, abstained, text FROM new_rows)
GROUP BY id
"""
# Label -1: the document has no label. NULL: it is not in that output. An id with another text is another document.
VIEWS = """
CREATE VIEW shared AS
SELECT * FROM documents WHERE NOT repeated AND old_label IS NOT NULL AND new_label IS NOT NULL;
CREATE VIEW paired AS SELECT * FROM shared WHERE old_text IS NOT DISTINCT FROM new_text;
CREATE VIEW compared AS SELECT * FROM paired WHERE old_label >= 0 AND new_label >= 0;
CREATE VIEW changed AS SELECT * FROM compared WHERE old_label <> new_label;
"""
PRESENCE = """
SELECT count(*) FILTER (NOT repeated AND old_label IS NOT NULL AND new_label IS NOT NULL),
       count(*) FILTER (NOT repeated AND new_label IS NULL),
       count(*) FILTER (NOT repeated AND old_label IS NULL),
       count(*) FILTER (repeated)
FROM documents
"""
# Documents that ids do not match, joined by their text. A text counts if all its rows in an output share one label.
TEXTS = """
WITH lone AS (SELECT * FROM documents WHERE NOT repeated AND (old_label IS NULL OR new_label IS NULL
                                                              OR old_text IS DISTINCT FROM new_text)),
     old AS (SELECT old_text AS text, min(old_label) AS label, count(*) AS n FROM lone WHERE old_text IS NOT NULL
             GROUP BY old_text HAVING min(old_label) = max(old_label)),
     new AS (SELECT new_text AS text, min(new_label) AS label, count(*) AS n FROM lone WHERE new_text IS NOT NULL
             GROUP BY new_text HAVING min(new_label) = max(new_label)),
     moved AS (SELECT least(old.n, new.n) AS n, old.label >= 0 AND new.label >= 0 AND old.label <> new.label AS other
               FROM old JOIN new ON old.text = new.text)
SELECT (SELECT count(*) FROM shared WHERE old_text IS DISTINCT FROM new_text),
       (SELECT count(*) FROM shared WHERE old_text IS DISTINCT FROM new_text
                                          AND old_label >= 0 AND new_label >= 0 AND old_label <> new_label),
       (SELECT coalesce(sum(n), 0) FROM moved), (SELECT coalesce(sum(n), 0) FROM moved WHERE other)
"""
TURNED = """
SELECT count(*) FILTER (new_abstained > old_abstained), count(*) FILTER (new_abstained < old_abstained),
       count(*) FILTER (old_label >= 0 AND new_label < 0), count(*) FILTER (old_label < 0 AND new_label >= 0)
FROM paired
"""
FLOWS = """
SELECT old.name, new.name, documents, round(old_confidence, 6), round(new_confidence, 6)
FROM (SELECT old_label, new_label, count(*) AS documents, avg(old_confidence) AS old_confidence,
             avg(new_confidence) AS new_confidence FROM changed GROUP BY ALL)
JOIN labels AS old ON old.code = old_label JOIN labels AS new ON new.code = new_label
ORDER BY documents DESC, old.name, new.name LIMIT ?
"""
CLASSES = """
SELECT label, sum(old)::BIGINT, sum(new)::BIGINT, sum(gained)::BIGINT, sum(lost)::BIGINT
FROM (SELECT old_label AS label, 1 AS old, 0 AS new, 0 AS gained, (old_label <> new_label)::INTEGER AS lost
      FROM compared
      UNION ALL
      SELECT new_label, 0, 1, (old_label <> new_label)::INTEGER, 0 FROM compared)
GROUP BY label
"""
# Of sets: `members` has the labels of each set. A label that a changed document keeps is neither gained nor lost.
SET_CLASSES = """
WITH pairs AS (SELECT old_label, new_label, count(*) AS n FROM compared GROUP BY ALL),
     old AS (SELECT label, sum(n) AS n FROM pairs JOIN members ON code = old_label GROUP BY label),
     new AS (SELECT label, sum(n) AS n FROM pairs JOIN members ON code = new_label GROUP BY label),
     kept AS (SELECT was.label, sum(n) AS n FROM pairs JOIN members AS was ON was.code = old_label
              JOIN members AS now ON now.code = new_label AND now.label = was.label GROUP BY was.label)
SELECT label, coalesce(old.n, 0)::BIGINT, coalesce(new.n, 0)::BIGINT,
       (coalesce(new.n, 0) - coalesce(kept.n, 0))::BIGINT, (coalesce(old.n, 0) - coalesce(kept.n, 0))::BIGINT
FROM old FULL JOIN new USING (label) LEFT JOIN kept USING (label)
"""
CONFIDENCES = f"""
SELECT old_label <> new_label, least(floor({{0}}_confidence * {BINS}), {BINS - 1})::INTEGER, count(*),
       sum({{0}}_confidence::DOUBLE)
FROM compared WHERE old_confidence IS NOT NULL AND new_confidence IS NOT NULL GROUP BY ALL ORDER BY 2
"""
EXAMPLES = """
SELECT id, old_label, new_label, round(old_confidence::DOUBLE, 6), round(new_confidence::DOUBLE, 6)
FROM changed ORDER BY new_confidence DESC NULLS LAST, old_confidence DESC NULLS LAST, id LIMIT ?
"""
