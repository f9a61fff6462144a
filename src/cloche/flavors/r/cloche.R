# cloche for R:  cloche r > cloche.R, then  source("cloche.R")
#
#   cloche_save(fit, "cars")                                    freeze a fit and publish it as the next version
#   cloche_predict("http://127.0.0.1:8000/models/cars", df)     ask a running server
#
# Needs base R, the command `cloche` (pip install cloche) to save, the program curl to predict, and no R package but
# the fit's own.

.cloche <- local({

#@ model.R

# The command `cloche`: on the PATH, or where options(cloche.command = "…/bin/cloche") says.
command <- function() {
  found <- getOption("cloche.command", unname(Sys.which("cloche")))
  if (!nzchar(found)) refuse("the command cloche is not on the PATH; run: pip install cloche, or set options(cloche.command = )")
  found
}

flags <- function(name, values) as.vector(rbind(rep(paste0("--", name), length(values)), as.character(values)))

# Text as JSON: quotes, backslashes and control characters escaped, all else in UTF-8.
json_text <- function(values) {
  values <- enc2utf8(as.character(values))
  escaped <- gsub("\"", "\\\"", gsub("\\", "\\\\", values, fixed = TRUE), fixed = TRUE)
  for (place in grep("[\001-\037]", escaped)) {
    codes <- utf8ToInt(escaped[place])
    parts <- ifelse(codes < 32L, sprintf("\\u%04x", codes), vapply(codes, intToUtf8, ""))
    escaped[place] <- paste(parts, collapse = "")
  }
  ifelse(is.na(values), "null", paste0("\"", escaped, "\""))
}

json_values <- function(values) {
  if (is.logical(values)) ifelse(is.na(values), "null", ifelse(values, "true", "false"))
  else if (inherits(values, "Date")) json_text(format(values))
  else if (inherits(values, "POSIXt")) json_text(sub(" ", "T", format(values, "%Y-%m-%d %H:%M:%OS6Z", tz = "UTC")))
  else if (is.numeric(values)) ifelse(is.finite(values), sprintf("%.17g", as.double(values)), "null")
  else json_text(values)
}

json_columns <- function(table) {
  columns <- vapply(table, function(values) paste0("[", paste(json_values(values), collapse = ","), "]"), "")
  paste0("{\"columns\":{", paste0(json_text(names(table)), ":", columns, collapse = ","), "}}")
}

# A column of a CSV answer: numbers and booleans where all cells are, else text. "T" and "NA" are text.
typed <- function(cells) {
  known <- cells[!is.na(cells)]
  if (length(known) && all(grepl("^-?[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)?$", known))) as.numeric(cells)
  else if (length(known) && all(known %in% c("true", "false"))) cells == "true"
  else if (length(known)) cells
  else as.numeric(cells)
}

# POST with curl; key and headers go by its standard input, where no list of processes shows them.
post <- function(url, body, key) {
  if (!nzchar(Sys.which("curl"))) refuse("cloche_predict needs the program curl; run: apt-get install curl")
  files <- tempfile(c("body", "answer"))
  on.exit(unlink(files))
  writeLines(body, files[1], useBytes = TRUE)
  settings <- c(
    paste0("url = ", json_text(url)), "silent", "show-error", "request = POST", paste0("data-binary = ", json_text(paste0("@", files[1]))),
    "header = \"Content-Type: application/json\"", "header = \"Accept: text/csv\"",
    if (!is.null(key)) paste0("header = ", json_text(paste("Authorization: Bearer", key))),
    paste0("output = ", json_text(files[2])), "write-out = \"%{http_code}\""
  )
  status <- suppressWarnings(system2("curl", c("--config", "-"), input = settings, stdout = TRUE))
  if (!is.null(attr(status, "status"))) refuse("nobody answered at ", url)
  text <- readChar(files[2], file.size(files[2]), useBytes = TRUE)
  Encoding(text) <- "UTF-8"
  if (status != "200") refuse(url, " answered ", status, ": ", substr(text, 1, 2000))
  text
}

environment()
})

# Freeze *fit* and publish it as the next version of *name*.
#
# data          the data frame it was fitted on; by default found through the fit
# test          a data frame it was not fitted on, with the target: metrics come from it
# target        the name of the target's column; by default from the formula
# s, n.trees    which model of a glmnet path, how many trees of a gbm
# promote       make the new version live at once (the first one is)
# private       fields whose values are shown nowhere
# store         the store; by default CLOCHE_STORE or the nearest .cloche
# ...           further options of `cloche save`: data_version = "2026-11" is --data-version 2026-11
cloche_save <- function(fit, name, data = NULL, test = NULL, target = NULL, s = NULL, n.trees = NULL, promote = FALSE,
                        private = character(), description = NULL, store = NULL, ...) {
  bundle <- .cloche$prepare(fit, data, target, s, n.trees, parent.frame())
  if (is.null(bundle$table)) {
    stop("the table that the fit comes from cannot be found by its call; pass data =", call. = FALSE)
  }
  if (!is.null(test)) {
    wanted <- c(bundle$about$names, bundle$about$target)
    missing <- setdiff(wanted, names(test))
    if (is.null(bundle$about$target)) stop("test: say which column is the target: target =", call. = FALSE)
    if (length(missing)) stop("test: no column ", missing[1], call. = FALSE)
    bundle$test <- as.data.frame(test)[bundle$about$names]
    bundle$truth <- test[[bundle$about$target]]
  }
  folder <- tempfile("cloche-")
  dir.create(folder, mode = "0700")
  on.exit(unlink(folder, recursive = TRUE))
  file <- file.path(folder, "model.rds")
  saveRDS(bundle, file)
  more <- list(...)
  further <- unlist(Map(.cloche$flags, gsub("_", "-", names(more)), more), use.names = FALSE)
  words <- c(
    "save", file, "--name", name, .cloche$flags("private", private), .cloche$flags("description", description),
    .cloche$flags("store", store), if (promote) "--promote", further
  )
  status <- system2(.cloche$command(), shQuote(words))
  if (status != 0) stop("cloche save ended with status ", status, call. = FALSE)
  invisible(name)
}

# What the server at *url* answers for the rows of *df*: a data frame with `prediction`, and for classes `confidence`
# and `probabilities.CLASS`. *url* is http://HOST:PORT, or http://HOST:PORT/models/NAME; *key* is an API key.
cloche_predict <- function(url, df, key = NULL) {
  address <- paste0(sub("(/predict)?/*$", "", url), "/predict")
  text <- .cloche$post(address, .cloche$json_columns(df), key)
  cells <- utils::read.csv(
    text = text, check.names = FALSE, colClasses = "character", na.strings = "", encoding = "UTF-8",
    blank.lines.skip = FALSE  # a null alone in its line
  )[seq_len(nrow(df)), , drop = FALSE]
  rownames(cells) <- NULL
  cells[] <- lapply(cells, .cloche$typed)
  cells
}
