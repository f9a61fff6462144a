# A fitted R model behind two pipes:  R --vanilla --file=worker.R --args MODEL.R FROM TO
#
# A message is a list of named vectors: a count, then for each its name, its type, its length and its values, all
# little-endian. A question names what to `do`; the answer holds `error` where it could not be done. Ends with its input.

arguments <- commandArgs(trailingOnly = TRUE)
options(warn = -1L, keep.source = FALSE)
known <- new.env(parent = globalenv())
sys.source(arguments[1], envir = known)
source_pipe <- file(paste0("/dev/fd/", arguments[2]), "rb", raw = TRUE)
sink_pipe <- file(paste0("/dev/fd/", arguments[3]), "wb", raw = TRUE)

# -- in -------------------------------------------------------------------------------------------------

read_integers <- function(n) {
  found <- readBin(source_pipe, "integer", n, 4L, endian = "little")
  if (length(found) < n) quit("no", 0L)
  found
}

read_texts <- function(n) {
  sizes <- read_integers(n)
  found <- readChar(source_pipe, pmax(sizes, 0L), useBytes = TRUE)
  Encoding(found) <- "UTF-8"
  found[sizes < 0L] <- NA
  found
}

read_vector <- function() {
  head <- read_integers(2L)
  n <- head[2]
  switch(head[1],
    readBin(source_pipe, "double", n, 8L, endian = "little"),
    read_integers(n),
    as.logical(read_integers(n)),
    read_texts(n),
    readBin(source_pipe, "raw", n)
  )
}

read_message <- function() {
  names <- character()
  message <- vector("list", read_integers(1L))
  for (place in seq_along(message)) {
    names[place] <- read_texts(1L)
    found <- read_vector()
    if (!is.null(found)) message[[place]] <- found
  }
  names(message) <- names
  message
}

# -- out ------------------------------------------------------------------------------------------------

write_integers <- function(values) writeBin(as.integer(values), sink_pipe, 4L, endian = "little")

write_texts <- function(values) {
  values <- enc2utf8(as.character(values))
  sizes <- nchar(values, "bytes")
  write_integers(ifelse(is.na(values), -1L, sizes))
  writeBin(charToRaw(paste(values[!is.na(values)], collapse = "")), sink_pipe)
}

write_vector <- function(values) {
  code <- if (is.raw(values)) 5L else if (is.character(values)) 4L else if (is.logical(values)) 3L
  else if (is.integer(values)) 2L else 1L
  write_integers(c(code, length(values)))
  switch(code,
    writeBin(as.double(values), sink_pipe, 8L, endian = "little"),
    write_integers(values),
    write_integers(values),
    write_texts(values),
    writeBin(values, sink_pipe)
  )
}

write_message <- function(message) {
  message <- Filter(Negate(is.null), message)
  write_integers(length(message))
  for (name in names(message)) {
    write_texts(name)
    write_vector(message[[name]])
  }
  flush(sink_pipe)
}

# -- what is asked --------------------------------------------------------------------------------------

held <- NULL

opened <- function(bytes) {
  if (identical(bytes[1:3], charToRaw("BZh"))) bytes <- memDecompress(bytes, "bzip2")
  else if (identical(bytes[1:2], as.raw(c(0xfd, 0x37)))) bytes <- memDecompress(bytes, "xz")
  from <- gzcon(rawConnection(bytes))
  on.exit(close(from))
  readRDS(from)
}

closed <- function(bundle) {
  file <- tempfile()
  on.exit(unlink(file))
  saveRDS(bundle, file, version = 2L)  # 2: every R since 1.4 reads it
  readBin(file, "raw", file.size(file))
}

# What vetiver pins: the model beside a data frame without rows that shows its inputs (`ptype` in older pins).
is_pinned <- function(found) !is.object(found) && is.list(found) && is.object(found$model)

prepared <- function(found, ...) {
  if (!is_pinned(found)) return(known$prepare(found, ...))
  shown <- found$prototype
  if (is.null(shown)) shown <- found$ptype
  known$prepare(found$model, ..., prototype = if (is.data.frame(shown)) as.data.frame(shown)[0, , drop = FALSE])
}

is_bundle <- function(found) is.list(found) && identical(found$format, known$FORMAT)

# A fit as R saved it, or what cloche_save made of one; the answer says all that Python has to know.
deeds <- list(
  open = function(asked) {
    found <- opened(asked$bytes)
    held <<- if (is_bundle(found)) found else prepared(found, s = asked[["s"]], n.trees = asked[["n.trees"]])
    known$load_packages(held$about)
    c(
      about_message(held$about), table_message("table", held$table), table_message("target", as_table(held$target)),
      table_message("test", held$test), table_message("truth", as_table(held$truth)),
      list(bytes = closed(held[c("format", "fit", "about")]))
    )
  },
  load = function(asked) {
    found <- opened(asked$bytes)
    if (!is_bundle(found)) stop("not a model that cloche wrote", call. = FALSE)
    held <<- found
    known$load_packages(held$about)
    versions_message(known$versions_of(c(held$about$needs, held$about$attached)))
  },
  predict = function(asked) {
    found <- known$answer(held$fit, held$about, rows_of(asked))
    shares <- found$probabilities
    columns <- if (!is.null(shares)) lapply(seq_len(ncol(shares)), function(place) as.double(shares[, place]))
    if (!is.null(columns)) names(columns) <- paste0("p", seq_along(columns))
    c(list(prediction = unname(found$prediction)), columns)
  }
)

versions_message <- function(versions) {
  list(packages = names(versions), versions = unname(versions), r = as.character(getRversion()))
}

about_message <- function(about) {
  levels <- lapply(about$inputs, `[[`, "levels")
  levels <- levels[!vapply(levels, is.null, NA)]
  zones <- unlist(lapply(about$inputs, `[[`, "zone"))
  c(
    about[c("kind", "model", "names", "classes", "probabilities", "rows_inside", "target")],
    list(zoned = names(zones), zones = unname(zones)),
    versions_message(about$versions),
    list(
      types = vapply(about$inputs, `[[`, "", "type"), sources = vapply(about$inputs, `[[`, "", "source"),
      parameters = names(about$hyperparameters), values = unname(about$hyperparameters)
    ),
    if (length(levels)) stats::setNames(levels, paste0("levels:", names(levels)))
  )
}

as_table <- function(values) if (!is.null(values)) list(target = values)

# A column travels as what it is on the wire, with the name of its class where R has more to say.
table_message <- function(what, table) {
  found <- list()
  for (name in names(table)) {
    values <- table[[name]]
    key <- paste(what, known$type_of(values), name, sep = ":")
    found[[key]] <- if (is.factor(values)) as.character(values)
    else if (inherits(values, c("Date", "POSIXct"))) as.double(values)
    else as.vector(values)
  }
  found
}

# The columns of a question, named TYPE:NAME, as the data frame that predict() gets.
rows_of <- function(asked) {
  rows <- asked[-(1:3)]
  types <- sub(":.*", "", names(rows))
  names(rows) <- sub("^[^:]*:", "", names(rows))
  for (place in which(!types %in% c("double", "character"))) {
    input <- held$about$inputs[[names(rows)[place]]]
    rows[[place]] <- switch(types[place],
      logical = as.logical(rows[[place]]),
      factor = factor(rows[[place]], levels = input$levels),
      ordered = factor(rows[[place]], levels = input$levels, ordered = TRUE),
      Date = structure(rows[[place]], class = "Date"),
      POSIXct = structure(rows[[place]], class = c("POSIXct", "POSIXt"), tzone = input$zone)
    )
  }
  structure(rows, class = "data.frame", row.names = .set_row_names(asked$n))
}

repeat {
  asked <- read_message()
  # Python kills a process that is late; this ends one whose Python has gone.
  setTimeLimit(elapsed = asked$seconds, transient = TRUE)
  answer <- tryCatch(deeds[[asked$do]](asked), error = function(e) list(error = conditionMessage(e)))
  setTimeLimit()
  write_message(answer)
}
