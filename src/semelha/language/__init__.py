"""Texts of reports and verdicts in English and Brazilian Portuguese, with numbers as the language writes them."""

from semelha.language.verdict import Level, Verdict
from semelha.language.words import LANGUAGES, Message, Words, default_language, readable_fraction, words_in

__all__ = ["LANGUAGES", "Level", "Message", "Verdict", "Words", "default_language", "readable_fraction", "words_in"]
