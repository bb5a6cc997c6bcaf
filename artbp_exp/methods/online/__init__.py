"""Online estimators, one file each: what earlier steps do to the state is carried forwards, and nothing is stored."""
