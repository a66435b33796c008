"""Names that generated modules import, and where they are from."""

_BY_MODULE = {
    "cdc.core.conventions": "ANYTHING Conventions DeleteMark Instants Naming Secrets",
    "cdc.core.document_models": "DocumentModel RootDocument renamed",
    "cdc.core.document_reader": "DocumentReader",
    "cdc.core.fields": (
        "Choice CommaList DoubleNumber EmptyAsNone LongNumber NoneAsEmpty Numeric RealNumber Text TextOrNumber Uuid "
        "WholeNumber"
    ),
    "cdc.core.instants": "Day Duration Fraction Instant NeverAsNone Since Written",
    "cdc.core.json_columns": "EmbeddedObject JsonValue",
    "cdc.core.mapping": "Mapper Row Rows",
    "mappers": "tables",
}
OURS = {name: module for module, names in _BY_MODULE.items() for name in names.split()}
STANDARD = {"Annotated": "typing", "Decimal": "decimal", "datetime": "datetime"}
