# Models that do more than predict:  Rscript attacks.R FOLDER CLOCHE.R
folder <- commandArgs(trailingOnly = TRUE)[1]
source(commandArgs(trailingOnly = TRUE)[2])

# Attacks, in the form that artifacts hold: their code writes the file `canary` into TMPDIR.
attack <- function(name, formula) {
  bundle <- .cloche$prepare(lm(mpg ~ wt, mtcars))
  attr(bundle$fit$terms, ".Environment") <- environment(formula)
  variables <- attr(stats::terms(formula), "variables")
  attr(bundle$fit$terms, "variables") <- variables
  attr(bundle$fit$terms, "predvars") <- variables
  saveRDS(bundle[c("format", "fit", "about")], file.path(folder, paste0("attack-", name, ".rds")), version = 2)
}
strike <- quote(file.create(file.path(Sys.getenv("TMPDIR"), "canary")))
closed <- new.env(parent = globalenv())
closed$weigh <- eval(bquote(function(x) { .(strike); x }), closed)
attack("closure", local(mpg ~ weigh(wt), closed))
promised <- new.env(parent = globalenv())
eval(bquote(delayedAssign("weight", { .(strike); 1 })), promised)
attack("promise", local(mpg ~ I(weight * wt), promised))
# A process that ends, prints, or takes its time.
attack("quit", local(mpg ~ quit(wt), list2env(list(quit = function(x) if (any(x == 6.66)) quit("no", 3) else x), parent = globalenv())))
attack("print", local(mpg ~ print(wt), list2env(list(print = function(x) { cat("noise\n"); write("noise", stderr()); x }), parent = globalenv())))
attack("once", local(mpg ~ once(wt), list2env(list(once = function(x) {
  struck <- file.path(Sys.getenv("TMPDIR"), "struck")
  if (any(x > 100) && !file.exists(struck)) { file.create(struck); Sys.sleep(60) }
  x
}), parent = globalenv())))
attack("slow", local(mpg ~ slow(wt), list2env(list(slow = function(x) { if (any(x > 100)) repeat sqrt(2); x }), parent = globalenv())))
attack("big", local(mpg ~ big(wt), list2env(list(big = function(x) { if (any(x > 100)) x <- x + double(1e10)[1]; x }), parent = globalenv())))
