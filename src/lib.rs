//! The command line, the plan, the life of a capture, local mode, messages.
