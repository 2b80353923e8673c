"""Networks of this project as files of other formats."""
