(* Everything a statement of the proof speaks of: sums, the derivative, the normalisation, its
   gradients in closed form (B1-B3, W1-W4), the network and the panel model. No proofs here.
   Names are those of docs/maths.md. A vector is a function of its index (nat -> R), a matrix of
   row and column (nat -> nat -> R); indices count from 0 and only those below the size matter. *)
Require Import Reals List.
Import ListNotations.
Open Scope R_scope.

Fixpoint rsum (n : nat) (f : nat -> R) : R :=
  match n with O => 0 | S k => rsum k f + f k end.
Notation "∑ i < n , f" := (rsum n (fun i => f))
  (at level 41, i name, n at level 9, f at level 41, right associativity).

(* ------------------------------------------------------------------ the derivative
   A point is a function from coordinates to numbers; l lists the coordinates that vary.
   `frechet l F x A`: the linear map A is the (Fréchet) derivative of F at x. *)
Section Derivative.
Context {I : Type} (l : list I).
Definition norm (h : I -> R) : R := fold_right (fun i r => Rabs (h i) + r) 0 l.
Definition diff (z x : I -> R) (i : I) : R := z i - x i.

Record frechet (F : (I -> R) -> R) (x : I -> R) (A : (I -> R) -> R) : Prop := {
  frechet_linear : forall c h k, A (fun i => c * h i + k i) = c * A h + A k;
  frechet_bounded : exists C, 0 <= C /\ forall h, Rabs (A h) <= C * norm h;
  frechet_rest : forall e, 0 < e -> exists d, 0 < d /\ forall z, norm (diff z x) < d ->
    Rabs (F z - F x - A (diff z x)) <= e * norm (diff z x) }.
End Derivative.

(* The point x with its coordinate i replaced by t: F (upd x i t) as a function of t has the
   partial derivative of F as its derivative. *)
Definition upd {I : Type} (dec : forall a b : I, {a = b} + {a <> b}) (x : I -> R) (i : I) (t : R)
  : I -> R := fun k => if dec k i then t else x k.

(* ------------------------------------------------------------- the normalisation
   One column z of N observations with weights omega, the divisor M of the variance, and eps. *)
Record setting := mksetting { N : nat; omega : nat -> R; M : R; eps : R }.

Section Column.
Variable s : setting.
Definition n : R := ∑ i < (N s), omega s i.
Definition mu (z : nat -> R) : R := (∑ i < (N s), omega s i * z i) / n.
Definition v (z : nat -> R) : R := (∑ i < (N s), omega s i * (z i - mu z) ^ 2) / M s.
Definition sigma (z : nat -> R) : R := sqrt (v z + eps s).
Definition zhat (z : nat -> R) (i : nat) : R := (z i - mu z) / sigma z.
Definition bn (gamma beta : R) (z : nat -> R) (i : nat) : R := gamma * zhat z i + beta.

(* The two divisions make sense; the square root does where `regular`. *)
Definition legal : Prop := n <> 0 /\ M s <> 0.
Definition regular (z : nat -> R) : Prop := 0 < v z + eps s.

(* Backward, w being dR/dB of the column. *)
Definition dbeta (w : nat -> R) : R := ∑ i < (N s), w i.                              (* (B1) *)
Definition dgamma (z w : nat -> R) : R := ∑ i < (N s), zhat z i * w i.                (* (B2) *)
Definition dz (gamma : R) (z w : nat -> R) (i : nat) : R :=                           (* (B3) *)
  gamma / sigma z * (w i - omega s i / n * dbeta w - omega s i * zhat z i * dgamma z w / M s).

(* Weight space: z = X g, nothing below passes over z. *)
Variables (p1 : nat) (X : nat -> nat -> R).
Definition lin (g : nat -> R) (i : nat) : R := ∑ k < p1, X i k * g k.
Definition xbar (k : nat) : R := mu (fun i => X i k).
Definition Xc (i k : nat) : R := X i k - xbar k.
Definition S (k l : nat) : R := (∑ i < (N s), omega s i * Xc i k * Xc i l) / M s.
Definition Sg (g : nat -> R) (k : nat) : R := ∑ l < p1, S k l * g l.
Definition G (w : nat -> R) (k : nat) : R := ∑ i < (N s), Xc i k * w i.
Definition mu_w (g : nat -> R) : R := ∑ k < p1, xbar k * g k.                         (* (W1) *)
Definition v_w (g : nat -> R) : R := ∑ k < p1, g k * Sg g k.                          (* (W1) *)
Definition sigma_w (g : nat -> R) : R := sqrt (v_w g + eps s).
Definition dgamma_w (g w : nat -> R) : R := (∑ k < p1, g k * G w k) / sigma_w g.      (* (W2) *)
Definition dg (gamma : R) (g w : nat -> R) (k : nat) : R :=                           (* (W3) *)
  gamma / sigma_w g * (G w k - Sg g k * (dgamma_w g w / sigma_w g)).
Definition bn_w (gamma beta : R) (g : nat -> R) (i : nat) : R :=                      (* (W4) *)
  (∑ k < p1, X i k * (g k * (gamma / sigma_w g))) + (beta - gamma * mu_w g / sigma_w g).
End Column.

(* All observations count once, and the divisor is N - ddof. *)
Definition unweighted (N : nat) (ddof eps : R) : setting :=
  mksetting N (fun _ => 1) (INR N - ddof) eps.

(* --------------------------------------------------------------------- coordinates
   What a derivative may be taken in: an entry of Z, G1, gamma, beta, G2 or theta. *)
Inductive coord :=
  cZ (i j : nat) | cG1 (k j : nat) | cgamma (j : nat) | cbeta (j : nat) | cG2 (j : nat)
| ctheta (l : nat).
Definition coord_eq_dec (a b : coord) : {a = b} + {a <> b}.
Proof. repeat decide equality. Defined.
Definition point := coord -> R.
Definition set : point -> coord -> R -> point := upd coord_eq_dec.

Definition cells (N p : nat) : list (nat * nat) := list_prod (seq 0 N) (seq 0 p).
Definition layer_coords (N p : nat) : list coord :=
  flat_map (fun j => cgamma j :: cbeta j :: map (fun i => cZ i j) (seq 0 N)) (seq 0 p).
Definition net_coords (p0 p1 p2 : nat) : list coord :=
  flat_map (fun j => cgamma j :: cbeta j :: cG2 j :: map (fun k => cG1 k j) (seq 0 p1)) (seq 0 p2)
  ++ map ctheta (seq 0 p0).

(* The normalised matrix B from the coordinates (Z, gamma, beta), and from (G1, gamma, beta). *)
Definition Zcol (q : point) (j : nat) : nat -> R := fun i => q (cZ i j).
Definition B_of_Z (s : setting) (q : point) (ij : nat * nat) : R :=
  bn s (q (cgamma (snd ij))) (q (cbeta (snd ij))) (Zcol q (snd ij)) (fst ij).
Definition g1 (q : point) (j : nat) : nat -> R := fun k => q (cG1 k j).
Definition B_of_G1 (s : setting) (p1 : nat) (X : nat -> nat -> R) (q : point) (ij : nat * nat)
  : R :=
  bn s (q (cgamma (snd ij))) (q (cbeta (snd ij))) (lin p1 X (g1 q (snd ij))) (fst ij).

(* Layer normalisation of the row q (cZ 0 0), q (cZ 1 0), ...: entry j of the result. *)
Definition row_coords (p : nat) : list coord :=
  flat_map (fun j => [cZ j 0; cgamma j; cbeta j]) (seq 0 p).
Definition layernorm (s : setting) (q : point) (j : nat) : R :=
  q (cgamma j) * zhat s (Zcol q 0) j + q (cbeta j).

(* ------------------------------------------------------------------------ the model
   yhat = a(B) G2 + P theta, E = Q (y - yhat), R = sum omega E^2 / n. The question's network is
   the one without linear terms (p0 = 0) and without fixed effects (Q = I). B stays a parameter:
   it is the normalisation in training, another map at inference. *)
Record model := mkmodel {
  of : setting; p0 : nat; p1 : nat; p2 : nat;
  X : nat -> nat -> R; P : nat -> nat -> R; Q : nat -> nat -> R; y : nat -> R;
  a : R -> R; a' : R -> R }.

Section Model.
Variables (m : model) (B : point -> nat -> nat -> R).
Definition V (q : point) (i j : nat) : R := a m (B q i j).
Definition yhat (q : point) (i : nat) : R :=
  (∑ j < (p2 m), V q i j * q (cG2 j)) + ∑ l < (p0 m), P m i l * q (ctheta l).
Definition E (q : point) (i : nat) : R := ∑ k < (N (of m)), Q m i k * (y m k - yhat q k).
Definition risk (q : point) : R := (∑ i < (N (of m)), omega (of m) i * E q i ^ 2) / n (of m).

Definition D (q : point) (i : nat) : R := -2 * omega (of m) i * E q i / n (of m).
Definition W (q : point) (j i : nat) : R := D q i * q (cG2 j) * a' m (B q i j).
Definition dG2 (q : point) (j : nat) : R := ∑ i < (N (of m)), V q i j * D q i.
Definition dtheta (q : point) (l : nat) : R := ∑ i < (N (of m)), P m i l * D q i.
End Model.

(* The residual as a function of the matrix V alone. *)
Definition fit_of_V (m : model) (G2 theta : nat -> R) (V : nat * nat -> R) (i : nat) : R :=
  (∑ j < (p2 m), V (i, j) * G2 j) + ∑ l < (p0 m), P m i l * theta l.
Definition E_of_V (m : model) (G2 theta : nat -> R) (V : nat * nat -> R) (i : nat) : R :=
  ∑ k < (N (of m)), Q m i k * (y m k - fit_of_V m G2 theta V k).

(* In training B is the normalisation of X G1. *)
Definition zcol (m : model) (q : point) (j : nat) : nat -> R := lin (p1 m) (X m) (g1 q j).
Definition B (m : model) (q : point) (i j : nat) : R := B_of_G1 (of m) (p1 m) (X m) q (i, j).
Definition dR_dG1 (m : model) (q : point) (k j : nat) : R :=
  dg (of m) (p1 m) (X m) (q (cgamma j)) (g1 q j) (W m (B m) q j) k.
Definition dR_dgamma (m : model) (q : point) (j : nat) : R :=
  dgamma (of m) (zcol m q j) (W m (B m) q j).
Definition dR_dbeta (m : model) (q : point) (j : nat) : R := dbeta (of m) (W m (B m) q j).

(* Where the model has a derivative: each column has a scale, a has one at each value met. *)
Definition regular_at (m : model) (q : point) : Prop :=
  forall j, (j < p2 m)%nat -> regular (of m) (zcol m q j).
Definition reached (m : model) (B : point -> nat -> nat -> R) (q : point) (b : R) : Prop :=
  exists i j, (i < N (of m))%nat /\ (j < p2 m)%nat /\ b = B q i j.

(* Without normalisation: B = X G1. *)
Definition B_plain (m : model) (q : point) (i j : nat) : R := zcol m q j i.

(* What makes Q a projection for the weights omega: self-adjoint and idempotent. *)
Definition projection (m : model) : Prop :=
  (forall i k, (i < N (of m))%nat -> (k < N (of m))%nat ->
     omega (of m) i * Q m i k = omega (of m) k * Q m k i) /\
  (forall i l, (i < N (of m))%nat -> (l < N (of m))%nat ->
     ∑ k < (N (of m)), Q m i k * Q m k l = Q m i l).

(* The within projection of one factor: subtract the unit's weighted mean. *)
Definition delta (k i : nat) : R := if Nat.eqb i k then 1 else 0.
Definition same_unit (unit : nat -> nat) (i k : nat) : R :=
  if Nat.eqb (unit i) (unit k) then 1 else 0.
Definition unit_total (s : setting) (unit : nat -> nat) (i : nat) : R :=
  ∑ k < (N s), same_unit unit i k * omega s k.
Definition within (s : setting) (unit : nat -> nat) (i k : nat) : R :=
  delta i k - same_unit unit i k * omega s k / unit_total s unit i.

(* The question's network: every row once, no linear terms, no fixed effects; its risk with 1/N
   and its upstream gradient, in the question's words. *)
Definition question (N : nat) (ddof eps : R) (p1 p2 : nat) (X : nat -> nat -> R) (y : nat -> R)
  (a a' : R -> R) : model :=
  mkmodel (unweighted N ddof eps) 0 p1 p2 X (fun _ _ => 0) delta y a a'.
Definition question_yhat (m : model) (q : point) (i : nat) : R :=
  ∑ j < (p2 m), a m (B m q i j) * q (cG2 j).
Definition question_R (m : model) (q : point) : R :=
  (∑ i < (N (of m)), (y m i - question_yhat m q i) ^ 2) / INR (N (of m)).
Definition question_W (m : model) (q : point) (j i : nat) : R :=
  -2 * (y m i - question_yhat m q i) / INR (N (of m)) * q (cG2 j) * a' m (B m q i j).

(* The question's own formulas ("Update 4", diagonal, and "Update 3"), with the 1/N it leaves out
   put back into W. *)
Definition question_dgamma (m : model) (q : point) (j : nat) : R :=
  ∑ i < (N (of m)), zhat (of m) (zcol m q j) i * (W m (B m) q j i * q (cgamma j)).
Definition question_dG1 (m : model) (q : point) (k j : nat) : R :=
  ∑ i < (N (of m)), X m i k * (W m (B m) q j i * (q (cgamma j) / sigma (of m) (zcol m q j))).

(* The network with given statistics, as at inference. *)
Definition B_frozen (m : model) (mean sd : nat -> R) (q : point) (i j : nat) : R :=
  q (cgamma j) * ((zcol m q j i - mean j) / sd j) + q (cbeta j).

(* ReLU, its derivative away from 0, and what the question's `ap` computes. *)
Definition relu (b : R) : R := if Rle_dec b 0 then 0 else b.
Definition relu' (b : R) : R := if Rle_dec b 0 then 0 else 1.
Definition question_ap (b : R) : R :=
  let b1 := if Rlt_dec b 0 then 0 else b in if Rle_dec 0 b1 then 1 else b1.

(* The second answer's backward pass, step by step, with M for the N under its variance. *)
Definition stepwise_dz (s : setting) (gamma : R) (z w : nat -> R) (k : nat) : R :=
  let xmu := fun i => z i - mu s z in
  let sqrtvar := sqrt (v s z + eps s) in
  let ivar := 1 / sqrtvar in
  let dxhat := fun i => w i * gamma in
  let divar := ∑ i < (N s), dxhat i * xmu i in
  let dxmu1 := fun i => dxhat i * ivar in
  let dsqrtvar := -1 / sqrtvar ^ 2 * divar in
  let dvar := / 2 * 1 / sqrt (v s z + eps s) * dsqrtvar in
  let dsq := 1 / M s * 1 * dvar in
  let dxmu2 := fun i => 2 * xmu i * dsq in
  let dx1 := fun i => dxmu1 i + dxmu2 i in
  let dmu := -1 * ∑ i < (N s), (dxmu1 i + dxmu2 i) in
  let dx2 := 1 / INR (N s) * 1 * dmu in
  dx1 k + dx2.
