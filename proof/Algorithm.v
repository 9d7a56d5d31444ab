(* What the library computes for one column of a row-major matrix of one row block, operation by
   operation and in its order, over any kind of numbers: src/matrix/moments.c (row_tile, finish),
   forward.c, backward.c, view.c (bnorm_rstd) and the row kernels of src/kernel/rows.inc.
   `madd` rounds twice in the scalar kernels and once where the processor fuses.
   AlgorithmReal.v proves the result equal to the closed forms over the reals; AlgorithmFloat.v
   runs the same text on binary64, where tests/proof.sh compares it bit for bit with the library. *)
Require Import List.
Import ListNotations.

(* What the text needs of its numbers. *)
Record number := mknumber {
  num :> Type;
  zero : num; one : num; half : num; far : num;   (* far: FAR of moments.c *)
  add : num -> num -> num; sub : num -> num -> num;
  mul : num -> num -> num; div : num -> num -> num; root : num -> num;
  madd : num -> num -> num -> num;                (* MADD of table.inc: a b + c *)
  below : num -> num -> bool; same : num -> num -> bool;
  count : nat -> num }.

Section Algorithm.
Context {T : number}.
Local Notation "a + b" := (add T a b).
Local Notation "a - b" := (sub T a b).
Local Notation "a * b" := (mul T a b).
Local Notation "a / b" := (div T a b).

(* A sum in the order of the rows, from 0. *)
Fixpoint total (n : nat) (f : nat -> T) : T :=
  match n with O => zero T | S k => total k f + f k end.

Fixpoint total_products (n : nat) (f g : nat -> T) : T :=
  match n with O => zero T | S k => madd T (f k) (g k) (total_products k f g) end.

(* rows, weights or none, and the rule *)
Record column := mkcolumn {
  col_rows : nat; col_weights : option (nat -> T); col_eps : T; col_ddof : T }.

Section Column.
Variable c : column.

Definition weighted (i : nat) (d : T) : T :=
  match col_weights c with Some omega => d * omega i | None => d end.
Definition weight_total : T :=
  match col_weights c with
  | Some omega => total (col_rows c) omega
  | None => count T (col_rows c)
  end.
Definition divisor : T := weight_total - col_ddof c.

(* row_pivot: the mean of the first 2^k rows, by halves *)
Fixpoint halves (k : nat) (x : nat -> T) (i : nat) : T :=
  match k with
  | O => x i
  | S k => let a := halves k x i in a + (halves k x (i + Nat.pow 2 k)%nat - a) * half T
  end.
Fixpoint first_weighted (n i : nat) (omega : nat -> T) : nat :=
  match n with
  | S (S _ as n) => if same T (omega i) (zero T) then first_weighted n (S i) omega else i
  | _ => i
  end.
Definition pivot (x : nat -> T) : T :=
  match col_weights c with
  | Some omega => x (first_weighted (col_rows c) 0 omega)
  | None => halves (if Nat.leb 8 (col_rows c) then 3 else if Nat.leb 4 (col_rows c) then 2 else
                    if Nat.leb 2 (col_rows c) then 1 else 0) x 0
  end.

(* row_sums and finish, redone from a better pivot at most twice: mean and M2 *)
Fixpoint passes (more : nat) (pivot : T) (x : nat -> T) : T * T :=
  let s1 := total (col_rows c) (fun i => weighted i (x i - pivot)) in
  let s2 := total_products (col_rows c) (fun i => x i - pivot)
              (fun i => weighted i (x i - pivot)) in
  let shift := s1 / weight_total in
  let excess := shift * s1 in
  let rest := s2 - excess in
  let moved := pivot + shift in
  let m2 := if below T rest (zero T) then zero T else rest in
  match more with
  | S more => if andb (below T (far T * rest) excess) (negb (same T moved pivot))
              then passes more moved x else (moved, m2)
  | O => (moved, m2)
  end.
Definition moments (x : nat -> T) : T * T := passes 2 (pivot x) x.

Definition rstd_of (m2 : T) : T :=
  let square := m2 / divisor + col_eps c in
  if same T square (zero T) then zero T else one T / root T square.

(* bnorm_forward: mean, rstd, y *)
Definition forward (gamma beta : T) (x : nat -> T) : T * T * (nat -> T) :=
  let (mean, m2) := moments x in
  let rstd := rstd_of m2 in
  let scale := gamma * rstd in
  (mean, rstd, fun i => madd T (x i - mean) scale beta).

(* bnorm_backward: dbeta, dgamma, dx *)
Definition backward (gamma mean rstd : T) (x w : nat -> T) : T * T * (nat -> T) :=
  let dbeta := total (col_rows c) w in
  let dgamma := total_products (col_rows c) w (fun i => x i - mean) * rstd in
  let scale := gamma * rstd in
  let p := dbeta / weight_total in
  let q := rstd * dgamma / divisor in
  (dbeta, dgamma, fun i => scale * (w i - weighted i (madd T (x i - mean) q p))).
End Column.

(* bnorm_moments_merge: n, mean, M2 of two batches *)
Definition merge (a b : T * T * T) : T * T * T :=
  let '(n_a, mean, m2) := a in
  let '(n_b, mean_b, m2_b) := b in
  let share := n_b / (n_a + n_b) in
  let factor := n_a * share in
  let delta := mean_b - mean in
  (n_a + n_b, mean + delta * share, m2 + (m2_b + delta * delta * factor)).
End Algorithm.
Arguments column : clear implicits.
