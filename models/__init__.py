"""The model: features, tasks, ranker, losses, metrics, fine-tuning, checkpoints. Knows no stream and no store.

Shapes live in names. One legend for the whole package:
S slates; N rows (shown items or candidates); U, I, X user, item and cross features; F features of one part;
O outputs of the first layer; E experts; H hidden width and D output width of an expert; T tasks; W tower width;
K outputs of one head (dwell thresholds); P positions; G feature groups;
M items of a content; V their values; A answers, or width of attention; H actions; R rows of the id table.
So `user_SU`, `item_NI`, `gate_TEN`, `logits_NK`.
"""
