"""Attention by position, estimated from logged clicks; refuses where the log cannot tell: docs/attention.md.

    log, left_out = read_log(path)                     # ranker.attention.reading
    file = fit_attention(log, AttentionOptions())      # ranker.attention.fitting
    write_attention(file, out)                         # ranker.attention.attention_file
    read_attention(out).attention(num_positions=4)

Nothing is imported here: the command line starts without the numerics.
"""
