# Structured models in later sessions.

panel_pointer <- function(object) {
  if (.Call(C_net_alive, object$pointer)) return(object$pointer)
  refuse("argument", "'object' comes from another session: fit it again, by update()",
         call = user_call())
}
