"""The book's code: pages, claims, atlas and PDF from the files that a run of `lstsr_core` leaves."""
