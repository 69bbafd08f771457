-- One row, written to learn whether anything can be.
CREATE TABLE probe (
    filler TEXT NOT NULL
);
INSERT INTO probe (filler) VALUES ('');
